import type { AbortOptions } from 'abort-error'
import { CID } from 'multiformats/cid'
import { identityCode } from '../unixfs/hashers.ts'
import type { PinBlocks } from './blocks.ts'
import { keyText, packKeys } from './catalog.ts'
import { BadBlockError, BlockMissingError } from './errors.ts'
import { cidsOf, nodeLinks } from './links.ts'
import { blockKey, Kind, kindOf } from './node.ts'
import type { Pin } from './types.ts'
import { walkNode, type WalkNode } from './walk.ts'

export interface Listing {
  blocks: PinBlocks
  recursive: (options: AbortOptions) => AsyncGenerator<Pin>
}

/** So many blocks are read in the search for a pin: what it costs is the same for any number. */
const blocksRead = 256

/** A recursive pin that covers the node from above, if one is found soon. */
export async function findThrough(
  target: WalkNode,
  listing: Listing,
  options: AbortOptions
): Promise<CID | undefined> {
  const wanted = keyText(target.key)
  const budget = { left: blocksRead }
  // Below a node that was looked through for an earlier pin it is not.
  const seen = new Set<string>()
  for await (const { cid } of listing.recursive(options)) {
    const root = walkNode(cid)
    let level = seen.has(keyText(root.key)) ? [] : [root]
    seen.add(keyText(root.key))
    while (level.length > 0) {
      if (budget.left <= 0) return undefined
      const next: WalkNode[] = []
      const some = level.filter(({ kind }) => kind !== Kind.leaf).slice(0, budget.left)
      budget.left -= Math.max(1, some.length)
      for (const child of await childrenOf(some, listing.blocks)) {
        const text = keyText(child.key)
        if (text === wanted) return cid
        if (!seen.has(text)) next.push(child)
        seen.add(text)
      }
      level = next
    }
  }
  return undefined
}

async function childrenOf(nodes: WalkNode[], blocks: PinBlocks): Promise<WalkNode[]> {
  if (nodes.length === 0) return []
  const keys = packKeys(nodes.map(({ cid }) => blockKey(cid.multihash.bytes)))
  const read = await blocks.read(keys)
  return nodes.flatMap((node, i) => {
    const block = read[i]
    if (!(block instanceof Uint8Array)) return []
    return Array.from(cidsOf(nodeLinks(node.cid, block)), cid => walkNode(cid))
  })
}

/** Nodes that are read together. */
const levelNodes = 128

/** Every CID of a DAG that is not in `seen`, which it is added to. Nothing is fetched. */
export async function* dagOf(
  root: CID,
  blocks: PinBlocks,
  seen: Set<string>,
  { signal }: AbortOptions
): AsyncGenerator<CID> {
  const stack = [root]
  while (stack.length > 0) {
    signal?.throwIfAborted()
    const some = stack.splice(-levelNodes).filter(cid => {
      const text = cid.toString()
      if (seen.has(text)) return false
      seen.add(text)
      return true
    })
    yield* some
    const inner = some.filter(
      cid => kindOf(cid.code) !== Kind.leaf && cid.multihash.code !== identityCode
    )
    if (inner.length === 0) continue
    const read = await blocks.read(packKeys(inner.map(cid => blockKey(cid.multihash.bytes))))
    for (let i = 0; i < inner.length; i++) {
      const cid = inner[i] as CID
      const block = read[i]
      if (block == null) throw new BlockMissingError(cid)
      if (block instanceof Error) throw new BadBlockError(cid, block)
      stack.push(...cidsOf(nodeLinks(cid, block)))
    }
  }
}
