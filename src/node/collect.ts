import { BlocksOwnedError } from '../errors.ts'
import { ownerOfBlocks } from '../http/datastore/namespaces.ts'
import type { RemovedBlocks } from '../native.ts'
import type { GcOptions } from '../pins/types.ts'
import type { Node } from './node.ts'

type Collected = Pick<Node, 'repo' | 'pins' | 'kubo'>

/**
 * Garbage collection of a node: deletes what nothing holds, yields it a page at a time, and then gives
 * back the space of packs that are mostly dead. Errors: BlocksOwnedError, those of Pins.gcPages.
 */
export async function* collectGarbage(
  node: Collected,
  options: GcOptions = {}
): AsyncGenerator<RemovedBlocks> {
  await checkMayCollect(node)
  yield* node.pins.gcPages(options)
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
