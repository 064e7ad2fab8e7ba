/** Random DAGs with sharing, and the naive model beside the real pins: marking from the roots. */
import * as dagCbor from '@ipld/dag-cbor'
import * as dagJson from '@ipld/dag-json'
import * as dagPb from '@ipld/dag-pb'
import { createHash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'
import { linksOf } from '../../src/unixfs/blocks.ts'
import type { Random } from '../random.ts'

export interface DagBlock {
  cid: CID
  bytes: Uint8Array
}

export function blockOf(codec: number, bytes: Uint8Array, version: 0 | 1 = 1): DagBlock {
  const digest = Digest.create(0x12, createHash('sha256').update(bytes).digest())
  return { cid: CID.create(version, codec, digest), bytes }
}

/** sha1: a multihash whose key is not its digest. */
function foreignBlock(codec: number, bytes: Uint8Array): DagBlock {
  const digest = Digest.create(0x11, createHash('sha1').update(bytes).digest())
  return { cid: CID.createV1(codec, digest), bytes }
}

/** A block of a random codec with these links, and something of its own. */
export function nodeOf(links: CID[], own: number, random: Random): DagBlock {
  switch (random.int(6)) {
    case 0:
      return blockOf(dagCbor.code, dagCbor.encode({ own, links: { list: links } }))
    case 1:
      return blockOf(dagJson.code, dagJson.encode({ own, links }))
    case 2:
      return foreignBlock(dagCbor.code, dagCbor.encode([own, ...links]))
    default: {
      const Data = new TextEncoder().encode(String(own))
      const node = { Data, Links: links.map((Hash, i) => ({ Name: `${i}`, Hash, Tsize: 1 })) }
      return blockOf(dagPb.code, dagPb.encode(node), random.int(2) === 0 ? 0 : 1)
    }
  }
}

export function leafOf(own: number, random: Random): DagBlock {
  const bytes = new TextEncoder().encode(`leaf ${own}`)
  return random.int(8) === 0 ? foreignBlock(raw.code, bytes) : blockOf(raw.code, bytes)
}

/** Blocks, each of which links only to those before it. */
export function randomBlocks(count: number, random: Random): DagBlock[] {
  const blocks: DagBlock[] = []
  for (let own = 0; own < count; own++) {
    if (blocks.length < 4 || random.int(3) === 0) {
      blocks.push(leafOf(own, random))
      continue
    }
    const links: CID[] = []
    for (let i = random.int(5); i >= 0; i--) {
      const { cid } = random.pick(blocks)
      // sometimes the same bytes under another codec, or another version
      const twist = random.int(12)
      if (twist === 0) links.push(CID.createV1(raw.code, cid.multihash))
      else if (twist === 1 && cid.version === 0) links.push(CID.createV1(cid.code, cid.multihash))
      else links.push(cid)
    }
    blocks.push(nodeOf(links, own, random))
  }
  return blocks
}

export const multihashText = (cid: CID): string =>
  Buffer.from(cid.multihash.bytes).toString('latin1')

/** What is pinned and what is here, in maps. */
export class PinModel {
  readonly blocks = new Map<string, Uint8Array>()
  readonly pins = new Map<string, { cid: CID; mode: 'recursive' | 'direct'; name: string }>()

  put({ cid, bytes }: DagBlock): void {
    this.blocks.set(multihashText(cid), bytes)
  }

  has(cid: CID): boolean {
    return this.blocks.has(multihashText(cid))
  }

  /** Every CID of the DAG, or undefined when it is not all here. */
  dag(root: CID): Map<string, CID> | undefined {
    const seen = new Map<string, CID>()
    const stack = [root]
    for (let cid = stack.pop(); cid != null; cid = stack.pop()) {
      if (seen.has(cid.toString())) continue
      seen.set(cid.toString(), cid)
      const bytes = this.blocks.get(multihashText(cid))
      if (bytes == null) return undefined
      stack.push(...linksOf({ cid, bytes }))
    }
    return seen
  }

  /** Multihashes that pins cover. */
  live(): Set<string> {
    const live = new Set<string>()
    for (const { cid, mode } of this.pins.values()) {
      if (mode === 'direct') live.add(multihashText(cid))
      else for (const one of this.dag(cid)?.values() ?? []) live.add(multihashText(one))
    }
    return live
  }

  /** Covered by a recursive pin from above. */
  isIndirect(target: CID): boolean {
    const isSame = (cid: CID) =>
      cid.code === target.code &&
      cid.multihash.digest.length > 0 &&
      multihashText(cid) === multihashText(target)
    for (const { cid, mode } of this.pins.values()) {
      if (mode === 'direct') continue
      for (const one of this.dag(cid)?.values() ?? []) {
        const bytes = this.blocks.get(multihashText(one)) as Uint8Array
        if (linksOf({ cid: one, bytes }).some(isSame)) return true
      }
    }
    return false
  }

  collect(): void {
    const live = this.live()
    for (const key of [...this.blocks.keys()]) if (!live.has(key)) this.blocks.delete(key)
  }
}
