/**
 * IPFS storage on OpenZFS: `openRepo` gives a blockstore and a datastore for Helia.
 * @packageDocumentation
 */
import { native } from './native.ts'
import { openRepoWith } from './repo/open-repo.ts'
import type { Repo, RepoInit } from './repo/types.ts'

/**
 * Opens the repo in the folder `path`, or makes it first with `create`. One process can hold a
 * repo, once; several repos can be open in one process.
 *
 * Errors: RepoMissingError, RepoExistsError (`pool` or `shards` are not those of the repo),
 * NotWritableError, BadLayoutError, VdevTooSmallError, PoolInUseError (naming the owner's pid),
 * NotAPoolError, NewerVersionError, CorruptError (a damaged config.json, for one), ExistsError (a
 * vdev already holds a pool), NoSpaceError, InvalidParametersError.
 */
export async function openRepo(init: RepoInit): Promise<Repo> {
  return openRepoWith(native, init)
}

export * from './errors.ts'
export type * from './repo/types.ts'
export type {
  DatasetStatus,
  Durability,
  Engine,
  Layout,
  PoolStatus,
  ScrubStatus,
  StoreStats,
  VdevStatus
} from './native.ts'
export { MAX_BLOCK_BYTES, ZfsBlockstore } from './stores/blockstore.ts'
export { MAX_KEY_BYTES, MAX_VALUE_BYTES, ZfsDatastore } from './stores/datastore.ts'
export { verifyBlock } from './stores/verify-block.ts'
