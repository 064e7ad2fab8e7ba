import { randomBytes } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import {
  BadLayoutError,
  InvalidParametersError,
  RepoExistsError,
  VdevTooSmallError
} from '../errors.ts'
import type { Engine, Layout, Native } from '../native.ts'
import { LAYOUTS, type RepoConfig } from './config.ts'
import { chosenEngine } from './engine.ts'
import type { PoolInit, RepoInit } from './types.ts'

export const MIN_VDEV_BYTES = 64 * 1024 * 1024
const DEFAULT_VDEV_BYTES = 100 * 1024 ** 3
const DEFAULT_SHARDS = 4
/** One shard for each bucket of the map at most; 64 keeps tables and files of all of them small. */
const MAX_SHARDS = 64

const FEWEST_VDEVS: Record<Layout, number> = {
  stripe: 1,
  mirror: 2,
  raidz1: 2,
  raidz2: 3,
  raidz3: 4
}

/** zpool names; the words are layouts or have a meaning in a vdev list. */
const POOL_NAME = /^(?!(?:mirror|raidz|draid|spare|log|c[0-9]))[A-Za-z][A-Za-z0-9_.-]{0,63}$/

/** What `create` is to make, checked. */
export interface PoolPlan {
  config: RepoConfig
  sizeBytes: number
  ashift: number
  shards: number
  /** Those of the vdevs that are not there yet. */
  newFiles: string[]
  /** The kernel has the pool already: the repo becomes a tenant of it. */
  isTenant: boolean
}

/** BadLayoutError, VdevTooSmallError, InvalidParametersError: before anything is touched. */
export async function planPool(
  native: Pick<Native, 'kernelHasPool'>,
  folder: string,
  init: RepoInit
): Promise<PoolPlan> {
  const { pool = {}, shards = DEFAULT_SHARDS } = init
  const engine = chosenEngine(init.engine, 'embedded')
  checkInteger('shards', shards, 1, MAX_SHARDS)
  if (pool.name != null && engine !== 'embedded' && native.kernelHasPool(pool.name)) {
    return planTenant(pool.name, pool, engine, shards)
  }
  const vdevs = (pool.vdevs ?? [join(folder, 'pool.img')]).map(vdev => resolve(vdev))
  const layout = pool.layout ?? 'stripe'
  checkLayout(layout, vdevs)
  const name = pool.name ?? `ipfs-${randomBytes(6).toString('hex')}`
  if (!POOL_NAME.test(name)) {
    throw new InvalidParametersError(
      `"${name}" cannot be a pool's name: letters, digits, "_", "-" and ".", a letter first`
    )
  }
  const { sizeBytes = DEFAULT_VDEV_BYTES, ashift = 12 } = pool
  checkInteger('pool.ashift', ashift, 9, 16)
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < MIN_VDEV_BYTES) {
    throw new VdevTooSmallError(
      `pool.sizeBytes is ${sizeBytes}; each vdev needs at least ${MIN_VDEV_BYTES} bytes (64 MiB)`
    )
  }
  const newFiles: string[] = []
  for (const vdev of vdevs) {
    if (!(await checkExisting(vdev))) {
      newFiles.push(vdev)
    }
  }
  const config: RepoConfig = { pool: { name, vdevs, layout }, root: `${name}/ipfs`, engine }
  return { config, sizeBytes, ashift, shards, newFiles, isTenant: false }
}

/** In a pool that somebody made: its vdevs and layout are read from it, not asked for. */
function planTenant(name: string, pool: PoolInit, engine: Engine, shards: number): PoolPlan {
  const given = (['vdevs', 'layout', 'sizeBytes', 'ashift'] as const).find(key => pool[key] != null)
  if (given != null) {
    throw new InvalidParametersError(
      `the kernel has the pool ${name} already, and pool.${given} cannot be chosen for it: ` +
        'leave it out, or choose another name for a pool of its own'
    )
  }
  const config: RepoConfig = {
    pool: { name, vdevs: [], layout: 'stripe' },
    root: `${name}/ipfs`,
    engine
  }
  return { config, sizeBytes: 0, ashift: 0, shards, newFiles: [], isTenant: true }
}

/** RepoExistsError when `pool` asks for another pool than the repo has. */
export function checkSamePool(folder: string, config: RepoConfig, pool: PoolInit = {}): void {
  const has = config.pool
  const conflicts: string[] = []
  if (pool.name != null && pool.name !== has.name) {
    conflicts.push(`name ${has.name}, not ${pool.name}`)
  }
  if (pool.layout != null && pool.layout !== has.layout) {
    conflicts.push(`layout ${has.layout}, not ${pool.layout}`)
  }
  if (pool.vdevs != null) {
    const asked = pool.vdevs.map(vdev => resolve(vdev))
    if (asked.toSorted().join('\0') !== has.vdevs.toSorted().join('\0')) {
      conflicts.push(`vdevs ${has.vdevs.join(', ')}, not ${asked.join(', ')}`)
    }
  }
  if (conflicts.length > 0) {
    throw new RepoExistsError(
      `there is a repo at ${folder} already, with ${conflicts.join('; ')}: ` +
        'leave out `pool` to open it, or choose another path'
    )
  }
}

function checkLayout(layout: Layout, vdevs: string[]): void {
  if (!LAYOUTS.includes(layout)) {
    throw new BadLayoutError(`"${String(layout)}" is no layout: choose of ${LAYOUTS.join(', ')}`)
  }
  const fewest = FEWEST_VDEVS[layout]
  if (vdevs.length < fewest) {
    throw new BadLayoutError(
      `${layout} needs at least ${fewest} vdev${fewest > 1 ? 's' : ''}, ${vdevs.length} given`
    )
  }
  if (new Set(vdevs).size < vdevs.length) {
    throw new BadLayoutError(`a vdev is named twice: ${vdevs.join(', ')}`)
  }
}

function checkInteger(what: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new InvalidParametersError(`${what} is ${value}; it must be from ${min} to ${max}`)
  }
}

/** False when there is nothing. Block devices are left to ZFS, which knows their size. */
async function checkExisting(vdev: string): Promise<boolean> {
  const found = await stat(vdev).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') {
      return undefined
    }
    throw new InvalidParametersError(`vdev ${vdev}: ${error.message}`)
  })
  if (found == null) {
    return false
  }
  if (!found.isFile() && !found.isBlockDevice()) {
    throw new InvalidParametersError(`vdev ${vdev} is neither a file nor a block device`)
  }
  if (found.isFile() && found.size < MIN_VDEV_BYTES) {
    throw new VdevTooSmallError(
      `vdev ${vdev} has ${found.size} bytes; at least ${MIN_VDEV_BYTES} (64 MiB) are needed`
    )
  }
  return true
}
