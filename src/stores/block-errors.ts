import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'
import { IpfsZfsError, NotFoundError, fromNative } from '../errors.ts'

/** The CID for a multihash alone: the store knows no codec, so it says raw. */
export function rawCid(multihash: Uint8Array): CID {
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
