import type { AbortOptions } from 'abort-error'
import type { CID } from 'multiformats/cid'
import { packKeys, type PinCatalog } from '../../pins/catalog.ts'
import { blockKey } from '../../pins/node.ts'
import type { Blocks } from './stores.ts'

/** Asked together. */
const window = 1024

/**
 * Blocks that another process may not delete while a pin of this repo covers them: its collector
 * knows its own pins only. Such a delete is passed over, as that of a block that is not there.
 */
export function guardedBlocks(blocks: Blocks, catalog: PinCatalog): Blocks {
  return {
    put: (cid, bytes, options) => blocks.put(cid, bytes, options),
    putMany: (source, options) => blocks.putMany(source, options),
    get: (cid, options) => blocks.get(cid, options),
    getAll: options => blocks.getAll(options),
    size: (cid, options) => blocks.size(cid, options),
    delete: async (cid, options) => {
      if ((await free([cid], catalog)).length > 0) await blocks.delete(cid, options)
    },
    deleteMany: (source, options) => deleteFree(source, blocks, catalog, options)
  }
}

async function* deleteFree(
  source: Iterable<CID> | AsyncIterable<CID>,
  blocks: Blocks,
  catalog: PinCatalog,
  options?: AbortOptions
): AsyncGenerator<CID> {
  let cids: CID[] = []
  for await (const cid of source) {
    cids.push(cid)
    if (cids.length < window) continue
    yield* blocks.deleteMany(await free(cids, catalog), options)
    cids = []
  }
  yield* blocks.deleteMany(await free(cids, catalog), options)
}

/** Where nothing is pinned, as under a Kubo that pins for itself, this asks for nothing. */
async function free(cids: CID[], catalog: PinCatalog): Promise<CID[]> {
  const [refs, pins] = await Promise.all([catalog.count('refs'), catalog.count('pins')])
  if (refs + pins === 0 || cids.length === 0) return cids
  const alive = await catalog.alive(packKeys(cids.map(cid => blockKey(cid.multihash.bytes))))
  return cids.filter((_, i) => alive[i] === 0)
}
