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

/** So many that peers can send them in few messages, and a store read them in few batches. */
const coverWidth = 128

/**
 * All blocks below and with `root`, each once, in whatever order they come: for who needs them all
 * and has no use for an order.
 */
export async function* coverDag(
  root: CID,
  get: GetBlock,
  seen: Set<string> = new Set()
): AsyncGenerator<Block> {
  const frontier: CID[] = []
  const underWay = new Map<string, Promise<Block>>()
  const add = (cid: CID) => {
    const key = cid.toString()
    if (seen.has(key)) return
    seen.add(key)
    frontier.push(cid)
  }
  const request = () => {
    const cid = frontier.pop()
    if (cid == null) return
    const reading = get(cid).then(bytes => ({ cid, bytes }))
    // the race below sees the failure, or nobody does any more
    reading.catch(() => {})
    underWay.set(cid.toString(), reading)
  }
  add(root)
  for (;;) {
    while (underWay.size < coverWidth && frontier.length > 0) request()
    if (underWay.size === 0) return
    const block = await Promise.race(underWay.values())
    underWay.delete(block.cid.toString())
    yield block
    for (const link of linksOf(block)) add(link)
  }
}
