import * as dagCbor from '@ipld/dag-cbor'
import type { CID } from 'multiformats/cid'
import type { Block } from './blocks.ts'
import { identityCode } from './hashers.ts'

/** Writes a CARv1 as blocks come. Identity CIDs carry their bytes, so they are left out. */
export async function* writeCar(
  roots: CID[],
  blocks: AsyncIterable<Block>
): AsyncGenerator<Uint8Array> {
  const header = dagCbor.encode({ version: 1, roots })
  yield Buffer.concat([varint(header.byteLength), header])
  for await (const { cid, bytes } of blocks) {
    if (cid.multihash.code === identityCode) continue
    yield Buffer.concat([varint(cid.bytes.byteLength + bytes.byteLength), cid.bytes])
    // a block of its own: joining it would copy it
    if (bytes.byteLength > 0) yield bytes
  }
}

function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80)
  bytes.push(rest)
  return Uint8Array.from(bytes)
}
