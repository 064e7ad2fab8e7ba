import { open, readFile, rename } from 'node:fs/promises'
import { isAbsolute, join, relative, resolve } from 'node:path'
import { CorruptError, NewerVersionError, RepoMissingError } from '../errors.ts'
import { ENGINES, type Engine, type Layout } from '../native.ts'

export const CONFIG_FILE = 'config.json'
/** Present only while a repo is being made. */
export const MAKING_FILE = 'making.json'
const FORMAT = 1
export const LAYOUTS: readonly Layout[] = ['stripe', 'mirror', 'raidz1', 'raidz2', 'raidz3']

export interface RepoConfig {
  pool: {
    name: string
    /** Absolute. In the file, those inside the repo's folder are relative, so it can be moved. */
    vdevs: string[]
    layout: Layout
  }
  /** The dataset that holds all others of this repo. */
  root: string
  /** Whose ZFS opens the pool, when nobody says. */
  engine: Engine
  /** A rollback to this snapshot has begun; it is finished at the next open. */
  rollingBackTo?: string
}

/** Undefined when there is no file. CorruptError and NewerVersionError say which file and why. */
export async function readConfig(folder: string): Promise<RepoConfig | undefined> {
  const path = join(folder, CONFIG_FILE)
  const text = await readIfThere(path)
  return text == null ? undefined : parseConfig(folder, path, text)
}

/** Without opening the repo. RepoMissingError: there is none. */
export async function poolName(folder: string): Promise<string> {
  const config = await readConfig(folder)
  if (config == null)
    throw new RepoMissingError(`there is no repo at ${folder}: make one with ipfs-zfs init`)
  return config.pool.name
}

/** The whole file or the old one, whatever happens. */
export async function writeConfig(folder: string, config: RepoConfig): Promise<void> {
  const { pool, ...rest } = config
  const vdevs = pool.vdevs.map(vdev => {
    const path = relative(folder, vdev)
    return path.startsWith('..') || isAbsolute(path) ? vdev : path
  })
  const stored = { format: FORMAT, ...rest, pool: { ...pool, vdevs } }
  await writeDurably(join(folder, CONFIG_FILE), `${JSON.stringify(stored, null, 2)}\n`)
  await syncFolder(folder)
}

export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') {
      return undefined
    }
    throw error
  }
}

export async function writeDurably(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.new`
  const file = await open(temporary, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
}

/** So that a rename, a new file or an unlink in it survives a power cut. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function parseConfig(folder: string, path: string, text: string): RepoConfig {
  const stored = parseObject(path, text)
  if (typeof stored['format'] === 'number' && stored['format'] > FORMAT) {
    throw new NewerVersionError(
      `${path} has format ${stored['format']}; this version of ipfs-zfs knows ${FORMAT}: update it`
    )
  }
  const pool = (stored['pool'] ?? {}) as Record<string, unknown>
  const { name, layout, vdevs } = pool
  const { root, engine, rollingBackTo } = stored
  check(path, stored['format'] === FORMAT, `"format" must be ${FORMAT}`)
  check(path, ENGINES.includes(engine as Engine), `"engine" must be of ${ENGINES.join(', ')}`)
  check(path, typeof name === 'string' && name !== '', '"pool.name" must be a name')
  check(path, LAYOUTS.includes(layout as Layout), `"pool.layout" must be of ${LAYOUTS.join(', ')}`)
  check(path, isTexts(vdevs) && vdevs.length > 0, '"pool.vdevs" must be a list of paths')
  check(path, root === `${name}/ipfs`, '"root" must be the pool\'s name and /ipfs')
  check(
    path,
    rollingBackTo === undefined || typeof rollingBackTo === 'string',
    '"rollingBackTo" must be the name of a snapshot'
  )
  const config: RepoConfig = {
    pool: { name, layout: layout as Layout, vdevs: vdevs.map(vdev => resolve(folder, vdev)) },
    root,
    engine: engine as Engine
  }
  return rollingBackTo == null ? config : { ...config, rollingBackTo }
}

export function parseObject(path: string, text: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new CorruptError(`${path} is not JSON: ${(error as Error).message}`)
  }
  check(path, typeof value === 'object' && value != null, 'it must be a JSON object')
  return value as Record<string, unknown>
}

function check(path: string, holds: boolean, what: string): asserts holds {
  if (!holds) {
    throw new CorruptError(`${path} is not a repo's configuration: ${what}`)
  }
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(item => typeof item === 'string')
}
