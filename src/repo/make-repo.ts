import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { BusyError, ExistsError } from '../errors.ts'
import type { Native, Pool, VdevStatus } from '../native.ts'
import { budgetOf, closeStores, openBackend, type OpenedBackend } from './backend.ts'
import {
  CONFIG_FILE,
  LAYOUTS,
  MAKING_FILE,
  parseObject,
  readIfThere,
  syncFolder,
  writeConfig,
  writeDurably
} from './config.ts'
import { asNotWritable } from './folder.ts'
import { datasetNames, ROOT_PROPERTIES } from './layout.ts'
import { planPool, type PoolPlan } from './pool-plan.ts'
import { equalRanges } from './shard-map.ts'
import type { RepoInit } from './types.ts'

export interface MadeRepo {
  config: PoolPlan['config']
  backend: OpenedBackend
}

/**
 * Makes a repo where there is none. `config.json` is written last: a repo has it or is not there.
 * Until then `making.json` names the files that were made, so that after a crash the next `create`
 * can take them away and begin again.
 */
export async function makeRepo(native: Native, folder: string, init: RepoInit): Promise<MadeRepo> {
  await asNotWritable(folder, mkdir(folder, { recursive: true }))
  await clearHalfMade(folder)
  const plan = await planPool(native, folder, init)
  const making = join(folder, MAKING_FILE)
  const marker = { pid: process.pid, pool: plan.config.pool.name, files: plan.newFiles }
  await asNotWritable(folder, writeDurably(making, `${JSON.stringify(marker, null, 2)}\n`))
  await syncFolder(folder)
  try {
    const backend = await makePool(native, plan, init)
    try {
      await writeConfig(folder, plan.config)
    } catch (error) {
      await closeStores(backend).catch(() => {})
      await backend.pool.close().catch(() => {})
      throw error
    }
    await rm(making, { force: true })
    return { config: plan.config, backend }
  } catch (error) {
    await removeFiles(folder, plan.newFiles)
    throw error
  }
}

async function makePool(native: Native, plan: PoolPlan, init: RepoInit): Promise<OpenedBackend> {
  const { config, shards } = plan
  const pool = await (plan.isTenant ? openTenant(native, plan) : createPool(native, plan, init))
  try {
    await makeDatasets(pool, plan)
    const backend = await openBackend(native, pool, config, {
      initialMap: { shards, bucketShards: equalRanges(shards) },
      ...budgetOf(init)
    })
    await backend.store.flush()
    await native.syncPool(pool)
    return backend
  } catch (error) {
    if (plan.isTenant) {
      await destroyDatasets(pool, plan)
    }
    await pool.close().catch(() => {})
    throw error
  }
}

async function createPool(native: Native, plan: PoolPlan, init: RepoInit): Promise<Pool> {
  const { config, sizeBytes, ashift } = plan
  const { arcMaxBytes } = init
  return native.createPool({
    ...config.pool,
    sizeBytes,
    ashift,
    engine: config.engine,
    ...(arcMaxBytes == null ? {} : { arcMaxBytes })
  })
}

/** The pool is there; where it lies goes into the configuration, for the day it is moved. */
async function openTenant(native: Native, { config }: PoolPlan): Promise<Pool> {
  const pool = await native.openPool({ name: config.pool.name, vdevs: [], engine: 'kernel' })
  if (await isThere(pool, config.root)) {
    await pool.close()
    throw new ExistsError(
      `the pool ${config.pool.name} has a dataset ${config.root} already: it may be a repo whose ` +
        'folder is elsewhere; choose another pool, or destroy it'
    )
  }
  const { root } = await pool.status()
  config.pool.vdevs = leavesOf(root).filter(path => path.startsWith('/'))
  const top = root.children[0]?.name.replace(/-\d+$/, '')
  config.pool.layout = LAYOUTS.find(layout => layout === top) ?? 'stripe'
  return pool
}

async function isThere(pool: Pool, dataset: string): Promise<boolean> {
  return pool.getProperties(dataset).then(
    () => true,
    () => false
  )
}

function leavesOf({ name, children }: VdevStatus): string[] {
  return children.length === 0 ? [name] : children.flatMap(leavesOf)
}

async function makeDatasets(pool: Pool, { config, shards }: PoolPlan): Promise<void> {
  const { root, catalog, reserve, shards: names } = datasetNames(config.root, shards)
  await pool.createDataset(root, ROOT_PROPERTIES)
  for (const dataset of [catalog, reserve, ...names]) {
    await pool.createDataset(dataset, {})
  }
}

/** In a pool of others nobody would take away later what is half made. */
async function destroyDatasets(pool: Pool, { config, shards }: PoolPlan): Promise<void> {
  const { root, catalog, reserve, shards: names } = datasetNames(config.root, shards)
  for (const dataset of [...names, reserve, catalog, root]) {
    await pool.destroyDataset(dataset).catch(() => {})
  }
}

/** Takes away what a `create` left that did not end. */
async function clearHalfMade(folder: string): Promise<void> {
  const path = join(folder, MAKING_FILE)
  const text = await readIfThere(path)
  if (text == null) {
    return
  }
  const { pid, files } = parseObject(path, text)
  if (typeof pid === 'number' && pid !== process.pid && isAlive(pid)) {
    throw new BusyError(
      `process ${pid} is making a repo at ${folder}; if that is not so, delete ${path}`
    )
  }
  if (!Array.isArray(files) || !files.every(file => typeof file === 'string')) {
    throw new ExistsError(
      `a repo at ${folder} was left half made, and ${path} does not say of which files: ` +
        'delete them and it by hand'
    )
  }
  await removeFiles(folder, files)
}

async function removeFiles(folder: string, files: string[]): Promise<void> {
  for (const file of files) {
    await rm(file, { force: true })
  }
  await rm(join(folder, CONFIG_FILE), { force: true })
  await rm(join(folder, MAKING_FILE), { force: true })
  await syncFolder(folder)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
