import type { CID } from 'multiformats/cid'
import { BlocksOwnedError } from '../errors.ts'
import { ownerOfBlocks } from '../http/datastore/namespaces.ts'
import type { GcOptions } from '../pins/types.ts'
import type { Node } from './node.ts'

type Collected = Pick<Node, 'repo' | 'pins' | 'kubo'>

/**
 * Garbage collection of a node: deletes what nothing holds, yields it as raw CIDs, and then gives
 * back the space of packs that are mostly dead. Errors: BlocksOwnedError, those of Pins.gc.
 */
export async function* collectGarbage(
  node: Collected,
  options: GcOptions = {}
): AsyncGenerator<CID> {
  await checkMayCollect(node)
  yield* node.pins.gc(options)
  await node.repo.compact(options.signal == null ? {} : { signal: options.signal })
}

/** A Kubo that only fetches for this node pins nothing; one that keeps its own pins does. */
export async function checkMayCollect({ repo, kubo }: Collected): Promise<void> {
  const owner = await ownerOfBlocks(repo.datastore)
  if (owner == null || kubo != null) return
  throw new BlocksOwnedError(
    `the blocks belong to the Kubo of namespace ${owner.name}, and only it knows its pins: ` +
      'run its ipfs repo gc'
  )
}
