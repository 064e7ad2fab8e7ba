import type { CID } from 'multiformats/cid'
import { linksOf, type Block, type GetBlock } from './blocks.ts'
import { fetchAhead } from './fetch-ahead.ts'

export interface WalkOptions {
  /** Visit a block each time it is linked to, not only the first. Default: false. */
  duplicates?: boolean
  /** CIDs not to visit; those visited are added. Lets walks from several roots share their work. */
  seen?: Set<string>
}

/** All blocks below and with `root`, depth first, parents before children. */
export async function* walkDag(
  root: CID,
  get: GetBlock,
  options: WalkOptions = {}
): AsyncGenerator<Block> {
  const seen = options.seen ?? new Set<string>()
  const isDone = (cid: CID) => options.duplicates !== true && seen.has(cid.toString())
  const level = (cids: CID[]) => fetchAhead(without(cids, isDone), cid => cid, get)
  // a stack of its own: a chain of a million nodes must not overflow the engine's
  const stack = [level([root])]
  for (;;) {
    const top = stack.at(-1)
    if (top == null) return
    const step = await top.next()
    if (step.done === true) {
      stack.pop()
      continue
    }
    const { block } = step.value
    // another branch may have come to it while it was read ahead
    if (isDone(block.cid)) continue
    if (options.duplicates !== true) seen.add(block.cid.toString())
    yield block
    const links = linksOf(block)
    if (links.length > 0) stack.push(level(links))
  }
}

function* without(cids: CID[], isDone: (cid: CID) => boolean): Generator<CID> {
  for (const cid of cids) if (!isDone(cid)) yield cid
}
