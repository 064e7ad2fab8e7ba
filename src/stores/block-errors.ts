import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'
import { IpfsZfsError, NotFoundError, fromNative } from '../errors.ts'

/** The CID for a multihash alone: the store knows no codec, so it says raw. */
export function rawCid(multihash: Uint8Array): CID {
  if (multihash.length === 34 && multihash[0] === 0x12 && multihash[1] === 0x20) {
    // the usual ones without the checks, which cost more than all the rest of a listing
    const bytes = new Uint8Array(36)
    bytes[0] = 1
    bytes[1] = raw.code
    bytes.set(multihash, 2)
    const own = bytes.subarray(2)
    return new CID(1, raw.code, new Digest.Digest(0x12, 32, own.subarray(2), own), bytes)
  }
  return CID.createV1(raw.code, Digest.decode(multihash as Uint8Array<ArrayBuffer>))
}

export function notFound(cid: CID): NotFoundError {
  return new NotFoundError(`block ${cid.toString()} is not in this repo`)
}

/** What the native side says of one block, with the block's CID. */
export function namingBlock(cid: CID, error: Error): Error {
  const code = error instanceof IpfsZfsError ? error.code : (error as { code?: unknown }).code
  const named = fromNative(
    typeof code === 'string' ? code : 'ERR_IO',
    `block ${cid.toString()}: ${error.message}`
  )
  named.cause = error
  return named
}
