import type { CID } from 'multiformats/cid'
import type { Pins } from '../../pins/pins.ts'
import type { Blocks } from './stores.ts'

/** Deleted together. */
const window = 1024

/**
 * Blocks that another process may not delete while a pin of this repo covers them: its collector
 * knows its own pins only. Such a delete is passed over, as that of a block that is not there.
 */
export function guardedBlocks(blocks: Blocks, pins: Pick<Pins, 'deleteFree'>): Blocks {
  return {
    put: (cid, bytes, options) => blocks.put(cid, bytes, options),
    putMany: (source, options) => blocks.putMany(source, options),
    get: (cid, options) => blocks.get(cid, options),
    getAll: options => blocks.getAll(options),
    size: (cid, options) => blocks.size(cid, options),
    delete: async cid => {
      await pins.deleteFree([cid.multihash.bytes])
    },
    deleteMany: source => deleteFree(source, pins)
  }
}

/** Gives those that were deleted or not there. */
async function* deleteFree(
  source: Iterable<CID> | AsyncIterable<CID>,
  pins: Pick<Pins, 'deleteFree'>
): AsyncGenerator<CID> {
  let cids: CID[] = []
  for await (const cid of source) {
    cids.push(cid)
    if (cids.length < window) continue
    yield* await deleteWindow(cids, pins)
    cids = []
  }
  yield* await deleteWindow(cids, pins)
}

async function deleteWindow(cids: CID[], pins: Pick<Pins, 'deleteFree'>): Promise<CID[]> {
  const kept = new Set(await pins.deleteFree(cids.map(cid => cid.multihash.bytes)))
  return cids.filter(cid => !kept.has(cid.multihash.bytes))
}
