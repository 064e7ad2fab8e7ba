import type { AbortOptions } from 'abort-error'
import type { Datastore } from 'interface-datastore'
import { base36 } from 'multiformats/bases/base36'
import { CID } from 'multiformats/cid'
import { keyText } from '../pins/catalog.ts'
import { blockKey } from '../pins/node.ts'
import { coverDag } from '../unixfs/walk.ts'
import type { Blocks } from './blocks.ts'

/** Where a Helia application keeps the pins that it makes itself on this repo. */
const prefix = '/pin/'

/**
 * What a Helia application has pinned in this repo, by a block's key. Found by walking its pins: they
 * are few, and it counts them itself. Undefined: it has none. A pin whose DAG is incomplete is an
 * error.
 */
export async function heliaKeeps(
  records: Datastore,
  blocks: Blocks,
  options: AbortOptions
): Promise<((key: Uint8Array) => boolean) | undefined> {
  const kept = new Set<string>()
  const seen = new Set<string>()
  const get = blocks.reader({ ...options, offline: true })
  for await (const key of records.queryKeys({ prefix }, options)) {
    const root = CID.parse(key.toString().slice(prefix.length), base36)
    try {
      for await (const { cid } of coverDag(root, get, seen)) {
        kept.add(keyText(blockKey(cid.multihash.bytes)))
      }
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      throw new Error(`could not retrieve links for ${String(root)}: ${why}`, { cause: error })
    }
  }
  return kept.size === 0 ? undefined : key => kept.has(keyText(key))
}
