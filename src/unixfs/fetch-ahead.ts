import type { CID } from 'multiformats/cid'
import type { Block, GetBlock } from './blocks.ts'

/** Enough that a disk or a peer is never idle, at 2 MiB a block still little memory. */
const blocksAhead = 8

/**
 * Reads the block of each item in the order given, the next few while the caller works on the one
 * before. Items are taken as they are needed, so what makes them may look at what happened so far.
 */
export async function* fetchAhead<T>(
  items: Iterable<T>,
  cidOf: (item: T) => CID,
  get: GetBlock
): AsyncGenerator<{ item: T; block: Block }> {
  const queue = items[Symbol.iterator]()
  const underWay: Array<Promise<{ item: T; block: Block }>> = []
  const request = () => {
    const next = queue.next()
    if (next.done === true) return
    const item = next.value
    const cid = cidOf(item)
    const reading = get(cid).then(bytes => ({ item, block: { cid, bytes } }))
    // whoever awaits it sees the failure; nobody does when the caller stops early
    reading.catch(() => {})
    underWay.push(reading)
  }
  for (let i = 0; i < blocksAhead; i++) request()
  for (;;) {
    const reading = underWay.shift()
    if (reading == null) return
    yield await reading
    request()
  }
}
