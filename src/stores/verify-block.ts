import { createHash, getHashes } from 'node:crypto'
import { identity } from 'multiformats/hashes/identity'
import type { CID } from 'multiformats/cid'
import { HashMismatchError } from '../errors.ts'

/** OpenSSL's names for multihash codes of the multicodec table. */
const NAMES = new Map<number, string>([
  [0x11, 'sha1'],
  [0x12, 'sha256'],
  [0x13, 'sha512'],
  [0x14, 'sha3-512'],
  [0x15, 'sha3-384'],
  [0x16, 'sha3-256'],
  [0x17, 'sha3-224'],
  [0x18, 'shake128'],
  [0x19, 'shake256'],
  [0x20, 'sha384'],
  [0x1013, 'sha224'],
  [0x1014, 'sha512-224'],
  [0x1015, 'sha512-256'],
  [0xb240, 'blake2b512'],
  [0xb260, 'blake2s256'],
  [0x1053, 'ripemd160']
])
const SHAKES = new Set([0x18, 0x19])
const SHA2_256 = 0x12
const DBL_SHA2_256 = 0x56
/** As Kubo asks: a shorter digest can be forged. */
const MIN_DIGEST_BYTES = 20

const available = new Set(getHashes().map(name => name.toLowerCase()))

/** The whole digest, or undefined for a function that is unknown here. */
function digestOf(code: number, bytes: Uint8Array, length: number): Uint8Array | undefined {
  if (code === identity.code) {
    return bytes
  }
  if (code === DBL_SHA2_256) {
    const once = createHash('sha256').update(bytes).digest()
    return createHash('sha256').update(once).digest()
  }
  const name = NAMES.get(code)
  if (name == null || (code !== SHA2_256 && !available.has(name))) {
    return undefined
  }
  const options = SHAKES.has(code) ? { outputLength: length } : undefined
  return createHash(name, options).update(bytes).digest()
}

/**
 * Checks that `bytes` hash to the multihash of `cid`: for whoever takes blocks from outside (CAR
 * import, RPC put, gateway fetch). The stores themselves trust their callers, as all JS stores do.
 *
 * Returns false when the hash function is unknown here, so nothing was proved. HashMismatchError
 * for other bytes, and for a digest that was cut to less than 20 bytes.
 */
export function verifyBlock(cid: CID, bytes: Uint8Array): boolean {
  const { code, digest } = cid.multihash
  const isIdentity = code === identity.code
  if (!isIdentity && digest.byteLength < MIN_DIGEST_BYTES) {
    throw new HashMismatchError(
      `block ${cid.toString()}: a digest of ${digest.byteLength} bytes proves nothing; ` +
        `at least ${MIN_DIGEST_BYTES} are asked for`
    )
  }
  const whole = digestOf(code, bytes, digest.byteLength)
  if (whole == null) {
    return false
  }
  const actual = isIdentity ? whole : whole.subarray(0, digest.byteLength)
  if (Buffer.compare(actual, digest) !== 0) {
    throw new HashMismatchError(
      `the ${bytes.byteLength} bytes given for block ${cid.toString()} do not match it: ` +
        `they hash to ${Buffer.from(actual).toString('hex')}`
    )
  }
  return true
}
