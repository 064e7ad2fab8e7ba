import { NotFoundError } from 'interface-store'

/**
 * One class for each way a repo can fail. Codes are those of the JS stores where they exist
 * (`ERR_NOT_FOUND`…); the native side reports the same codes (native/result.h).
 */

/** The base of all: `code` is stable, `message` says what happened and what to do. */
export abstract class IpfsZfsError extends Error {
  abstract readonly code: string
}

function failure(name: string, code: string) {
  return class extends IpfsZfsError {
    static override readonly name = name
    static readonly code = code
    override readonly name = name
    readonly code = code
  }
}

/** An argument is out of its documented bounds. */
export class InvalidParametersError extends failure(
  'InvalidParametersError',
  'ERR_INVALID_PARAMETERS'
) {}
/**
 * No such block, record, dataset, snapshot or pool. The class of interface-store, because Helia
 * and other users of its stores look for that one; so it is no IpfsZfsError.
 */
export { NotFoundError }
/** The name is taken, or a vdev already holds a pool. */
export class ExistsError extends failure('ExistsError', 'ERR_EXISTS') {}
/** The pool or a quota is full. Reads and deletes still work. */
export class NoSpaceError extends failure('NoSpaceError', 'ERR_NO_SPACE') {}
/** A device gave an error. */
export class DeviceError extends failure('DeviceError', 'ERR_IO') {}
/** ZFS found a checksum error that it could not repair, or bytes do not match their CID. */
export class CorruptError extends failure('CorruptError', 'ERR_CORRUPT') {}
/** Another process holds the pool. */
export class PoolInUseError extends failure('PoolInUseError', 'ERR_POOL_IN_USE') {}
/** This process still uses the dataset or snapshot. */
export class BusyError extends failure('BusyError', 'ERR_BUSY') {}
/** No permission to write, or a read-only path. */
export class NotWritableError extends failure('NotWritableError', 'ERR_NOT_WRITABLE') {}
/** The device holds no pool, or a damaged one. */
export class NotAPoolError extends failure('NotAPoolError', 'ERR_NOT_A_POOL') {}
/** Written by a newer version of ZFS or of ipfs-zfs. */
export class NewerVersionError extends failure('NewerVersionError', 'ERR_NEWER_VERSION') {}
/** The pool stopped after it lost a device. */
export class PoolSuspendedError extends failure('PoolSuspendedError', 'ERR_POOL_SUSPENDED') {}
/** A block, a batch or a file is over its limit. */
export class TooLargeError extends failure('TooLargeError', 'ERR_TOO_LARGE') {}
/** The token of a stream that was cut is none, or of something else than what was kept. */
export class ResumeTokenError extends failure('ResumeTokenError', 'ERR_RESUME_TOKEN') {}
/** The repo, store or pool was closed. */
export class ClosedError extends failure('ClosedError', 'ERR_CLOSED') {}
/** Another program has its own pins among these blocks, so nobody else may collect them. */
export class BlocksOwnedError extends failure('BlocksOwnedError', 'ERR_BLOCKS_OWNED') {}
/** There is no repo at this path. */
export class RepoMissingError extends failure('RepoMissingError', 'ERR_REPO_MISSING') {}
/** There is a repo at this path already. */
export class RepoExistsError extends failure('RepoExistsError', 'ERR_REPO_EXISTS') {}
/** The pool's layout does not fit its vdevs. */
export class BadLayoutError extends failure('BadLayoutError', 'ERR_BAD_LAYOUT') {}
/** A vdev is smaller than 64 MiB. */
export class VdevTooSmallError extends failure('VdevTooSmallError', 'ERR_VDEV_TOO_SMALL') {}
/** Bytes do not hash to the multihash of their CID. */
export class HashMismatchError extends failure('HashMismatchError', 'ERR_HASH_MISMATCH') {}
/** A CAR is truncated, malformed, or its blocks are not what it says. */
export class BadCarError extends failure('BadCarError', 'ERR_BAD_CAR') {}

const classes = new Map<string, new (message: string) => Error>(
  [
    InvalidParametersError,
    NotFoundError,
    ExistsError,
    NoSpaceError,
    DeviceError,
    CorruptError,
    PoolInUseError,
    BusyError,
    NotWritableError,
    NotAPoolError,
    NewerVersionError,
    PoolSuspendedError,
    TooLargeError,
    ResumeTokenError,
    ClosedError,
    RepoMissingError,
    RepoExistsError,
    BadLayoutError,
    VdevTooSmallError,
    HashMismatchError,
    BadCarError
  ].map(made => [made.code, made])
)

/** The class for a code that the native side reported. */
export function fromNative(code: string, message: string): Error {
  const made = classes.get(code)
  return made == null ? Object.assign(new Error(message), { code }) : new made(message)
}
