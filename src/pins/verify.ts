import type { AbortOptions } from 'abort-error'
import type { CID } from 'multiformats/cid'
import { identityCode } from '../unixfs/hashers.ts'
import { keyText, packKeys } from './catalog.ts'
import { BlockMissingError } from './errors.ts'
import { cidsOf, nodeLinks } from './links.ts'
import { blockKeyOf, Kind } from './node.ts'
import type { Listing } from './through.ts'
import type { BadNode, PinVerdict } from './types.ts'
import { walkNode, type WalkNode } from './walk.ts'

/** Nodes that are looked at together. */
const batchNodes = 512
/** Faults named of one pin, at most. */
const faultsMax = 1000

/** One verdict for each recursive pin. A node under several is looked at once. */
export async function* verifyPins(
  listing: Listing,
  options: AbortOptions
): AsyncGenerator<PinVerdict> {
  const good = new Set<string>()
  for await (const { cid } of listing.recursive(options)) {
    const bad = await faultsOf(cid, listing, good, options)
    yield { cid, ok: bad.length === 0, bad }
  }
}

async function faultsOf(
  root: CID,
  { blocks }: Listing,
  good: Set<string>,
  { signal }: AbortOptions
): Promise<BadNode[]> {
  const bad: BadNode[] = []
  const seen = new Set<string>()
  const stack: WalkNode[] = [walkNode(root)]
  while (stack.length > 0 && bad.length < faultsMax) {
    signal?.throwIfAborted()
    // a CID that carries its bytes cannot lack them
    const some = stack.splice(-batchNodes).filter(({ cid }) => cid.multihash.code !== identityCode)
    const keys = packKeys(some.map(({ key, kind }) => blockKeyOf(key, kind)))
    const sizes = await blocks.sizes(keys)
    const inner = some.filter(({ kind }, i) => kind !== Kind.leaf && (sizes[i] ?? -1) >= 0)
    some.forEach(({ cid }, i) => {
      if ((sizes[i] ?? -1) < 0) bad.push({ cid, why: new BlockMissingError(cid).message })
    })
    const read = await blocks.read(packKeys(inner.map(({ key, kind }) => blockKeyOf(key, kind))))
    inner.forEach((node, i) => {
      try {
        const block = read[i]
        if (block instanceof Error) throw block
        if (block == null) throw new BlockMissingError(node.cid)
        for (const cid of cidsOf(nodeLinks(node.cid, block))) {
          const child = walkNode(cid)
          const text = keyText(child.key)
          if (seen.has(text) || good.has(text)) continue
          seen.add(text)
          stack.push(child)
        }
      } catch (error) {
        bad.push({ cid: node.cid, why: error instanceof Error ? error.message : String(error) })
      }
    })
  }
  if (bad.length === 0) for (const text of seen) good.add(text)
  return bad
}
