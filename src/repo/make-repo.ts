import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { BusyError, ExistsError } from '../errors.ts'
import type { Native, Pool } from '../native.ts'
import { closeStores, openBackend, type OpenedBackend } from './backend.ts'
import {
  CONFIG_FILE,
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
  const plan = await planPool(folder, init)
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
  const { config, sizeBytes, ashift, shards } = plan
  const { arcMaxBytes } = init
  const pool = await native.createPool({
    ...config.pool,
    sizeBytes,
    ashift,
    ...(arcMaxBytes == null ? {} : { arcMaxBytes })
  })
  try {
    await makeDatasets(pool, plan)
    const backend = await openBackend(native, pool, config, {
      shards,
      bucketShards: equalRanges(shards)
    })
    await backend.store.flush()
    await native.syncPool(pool)
    return backend
  } catch (error) {
    await pool.close().catch(() => {})
    throw error
  }
}

async function makeDatasets(pool: Pool, { config, shards }: PoolPlan): Promise<void> {
  const names = datasetNames(config.root, shards)
  await pool.createDataset(names.root, ROOT_PROPERTIES)
  for (const dataset of [names.catalog, names.reserve, ...names.shards]) {
    await pool.createDataset(dataset, {})
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
