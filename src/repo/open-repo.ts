import { realpath } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { rm } from 'node:fs/promises'
import { InvalidParametersError, RepoExistsError, RepoMissingError } from '../errors.ts'
import type { Native } from '../native.ts'
import { budgetOf, closeBackend, openBackend, type OpenedBackend } from './backend.ts'
import { MAKING_FILE, readConfig, type RepoConfig } from './config.ts'
import { chosenEngine } from './engine.ts'
import { asNotWritable, checkWritable } from './folder.ts'
import { makeRepo } from './make-repo.ts'
import { holdHere } from './open-here.ts'
import { checkSamePool } from './pool-plan.ts'
import { finishRollback } from './snapshots.ts'
import type { Repo, RepoInit } from './types.ts'
import { ZfsRepo } from './zfs-repo.ts'

interface Opened {
  config: RepoConfig
  backend: OpenedBackend
}

/** openRepo (src/index.ts) on a given native side. */
export async function openRepoWith(native: Native, init: RepoInit): Promise<Repo> {
  const folder = await folderOf(init)
  const letGoOfFolder = holdHere(`the repo at ${folder}`)
  let letGoOfPool: (() => void) | undefined
  try {
    const config = await asNotWritable(folder, readConfig(folder))
    if (config == null && init.create !== true) {
      throw new RepoMissingError(
        `there is no repo at ${folder}: make one with \`ipfs-zfs init\`, or \`create: true\``
      )
    }
    if (config != null) {
      letGoOfPool = holdHere(`the pool ${config.pool.name}`)
    }
    const opened =
      config == null
        ? await makeRepo(native, folder, init)
        : await openExisting(native, folder, config, init)
    letGoOfPool ??= holdHere(`the pool ${opened.config.pool.name}`)
    return new ZfsRepo(native, folder, init.durability ?? 'txg', opened, () => {
      letGoOfPool?.()
      letGoOfFolder()
    })
  } catch (error) {
    letGoOfPool?.()
    letGoOfFolder()
    throw error
  }
}

/** One name for one folder, also when a part of its path is a symbolic link. */
async function folderOf({ path, durability }: RepoInit): Promise<string> {
  if (typeof path !== 'string' || path === '') {
    throw new InvalidParametersError("path must be the path of the repo's folder")
  }
  if (durability != null && durability !== 'txg' && durability !== 'flush') {
    throw new InvalidParametersError(`durability is "${String(durability)}"; it is txg or flush`)
  }
  const folder = resolve(path)
  return realpath(folder).catch(() => folder)
}

async function openExisting(
  native: Native,
  folder: string,
  config: RepoConfig,
  init: RepoInit
): Promise<Opened> {
  checkSamePool(folder, config, init.pool)
  await checkWritable(folder)
  // Left by a crash after the last step of making the repo.
  await rm(join(folder, MAKING_FILE), { force: true })
  const { arcMaxBytes } = init
  const pool = await native.openPool({
    name: config.pool.name,
    vdevs: config.pool.vdevs,
    engine: chosenEngine(init.engine, config.engine),
    ...(arcMaxBytes == null ? {} : { arcMaxBytes })
  })
  let backend: OpenedBackend | undefined
  try {
    const current = await finishRollback(pool, folder, config)
    backend = await openBackend(native, pool, current, budgetOf(init))
    checkShards(folder, backend.map.shards, init.shards)
    return { config: current, backend }
  } catch (error) {
    await (backend == null ? pool.close() : closeBackend(backend)).catch(() => {})
    throw error
  }
}

function checkShards(folder: string, has: number, asked = has): void {
  if (asked !== has) {
    throw new RepoExistsError(
      `there is a repo at ${folder} already, with ${has} shards, not ${asked}: ` +
        'leave out `shards` to open it, or choose another path'
    )
  }
}
