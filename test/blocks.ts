/** Blocks to put in stores. */
import { createHash, randomFillSync } from 'node:crypto'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'
import { collect } from './rejection.ts'

export interface Block {
  cid: CID
  bytes: Uint8Array
}

/** The raw CIDv1 of `bytes`. */
export function blockOf(bytes: Uint8Array): Block {
  const digest = createHash('sha256').update(bytes).digest()
  return { cid: CID.createV1(raw.code, Digest.create(0x12, new Uint8Array(digest))), bytes }
}

/** `count` blocks of incompressible bytes. */
export function randomBlocks(count: number, sizeBytes: number): Block[] {
  return Array.from({ length: count }, () => blockOf(randomFillSync(new Uint8Array(sizeBytes))))
}

/** All of a block's bytes, from what a store's get() gives. */
export async function whole(
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>
): Promise<Uint8Array> {
  return new Uint8Array(Buffer.concat(await collect(chunks)))
}
