import { readFile, rename, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { CorruptError } from '../errors.ts'
import { isObject, type JsonObject } from '../settings.ts'
import { KuboRepoMissingError } from './errors.ts'

/** IPFS_PATH, else ~/.ipfs; as Kubo finds it. */
export function kuboPath(): string {
  const { IPFS_PATH: path } = process.env
  return path != null && path !== '' ? resolve(path) : join(homedir(), '.ipfs')
}

/** Kubo's `config` and `datastore_spec`. */
export interface KuboRepo {
  path: string
  config: JsonObject
  diskSpec: string
}

export async function readKuboRepo(path: string): Promise<KuboRepo> {
  const [config, diskSpec] = [await read(path, 'config'), await read(path, 'datastore_spec')]
  let parsed: unknown
  try {
    parsed = JSON.parse(config)
  } catch (error) {
    throw new CorruptError(`${path}/config is not JSON: ${(error as Error).message}`)
  }
  if (!isObject(parsed)) {
    throw new CorruptError(`${path}/config is not an object`)
  }
  return { path, config: parsed, diskSpec: diskSpec.trim() }
}

async function read(path: string, name: string): Promise<string> {
  try {
    return await readFile(join(path, name), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw error
    }
    throw new KuboRepoMissingError(
      `there is no Kubo repo at ${path} (no file ${name}): set IPFS_PATH, or run ipfs-zfs kubo init`
    )
  }
}

/** All of it or, after a crash, what was there before. The private key is in this file. */
export async function writeConfig(path: string, config: JsonObject): Promise<void> {
  const unfinished = join(path, `config.${process.pid}`)
  await writeFile(unfinished, JSON.stringify(config, null, 2) + '\n', { mode: 0o600, flush: true })
  await rename(unfinished, join(path, 'config'))
}
