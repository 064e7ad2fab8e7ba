import { readFile } from 'node:fs/promises'
import {
  changesOf,
  isObject,
  setAt,
  valueAt,
  type Change,
  type JsonObject,
  type Setting
} from '../settings.ts'
import { readKuboRepo, writeConfig, type KuboRepo } from './config.ts'
import type { Door, Hello } from './door.ts'
import { KuboElsewhereError } from './errors.ts'

const SETTINGS = new URL('../../native/kubo/plugin/settings.json', import.meta.url)
const TYPE = 'zfsremote'
const DOOR_FIELDS = ['address', 'tokenFile', 'caFile']

/** The list that the init profile `zfs` applies too. */
export async function settings(): Promise<Setting[]> {
  return JSON.parse(await readFile(SETTINGS, 'utf8')) as Setting[]
}

/** What `configure` would change in the Kubo repo at `path`. */
export async function plan(
  path: string,
  door: Door,
  { maxBytes }: Pick<Hello, 'maxBytes'>
): Promise<{ repo: KuboRepo; changes: Change[] }> {
  const repo = await readKuboRepo(path)
  checkBlocksAreOurs(repo)
  const wanted: Setting[] = [
    {
      path: 'Datastore.Spec',
      value: withDoor(valueAt(repo.config, 'Datastore.Spec'), door),
      why: 'Where the daemon is.'
    },
    {
      path: 'Datastore.StorageMax',
      value: `${Math.floor(maxBytes / 10) * 9}B`,
      why: 'Nine tenths of what the pool can hold.'
    },
    ...(await settings())
  ]
  const changes = changesOf(repo.config, wanted)
  return {
    repo,
    changes: changes.filter(({ before, value }) => !isAboutTheSame(before, value))
  }
}

export async function apply({ path, config }: KuboRepo, changes: Change[]): Promise<void> {
  for (const change of changes) {
    setAt(config, change.path, change.value)
  }
  if (changes.length > 0) {
    await writeConfig(path, config)
  }
}

/** Two sizes in bytes that differ by a hundredth: what a pool can hold changes a bit with its use. */
function isAboutTheSame(before: unknown, value: unknown): boolean {
  const [a, b] = [before, value].map(size => Number(/^(\d+)B$/.exec(String(size))?.[1]))
  return Math.abs(Number(a) - Number(b)) <= Number(b) / 100
}

/** Kubo compares datastore_spec with the config at each start: it says where the data is. */
function checkBlocksAreOurs({ path, diskSpec }: KuboRepo): void {
  const spec: unknown = JSON.parse(diskSpec)
  const root = isObject(spec) ? spec : {}
  const mounts = Array.isArray(root['mounts']) ? (root['mounts'] as JsonObject[]) : [root]
  const blocks = mounts.find(({ mountpoint }) => mountpoint === '/blocks') ?? mounts.at(-1)
  const type = blocks?.['type']
  if (type !== TYPE) {
    throw new KuboElsewhereError(
      `the blocks of ${path} are in a datastore of type ${String(type)}, and a new setting does ` +
        'not move them: stop Kubo and run ipfs-zfs kubo migrate'
    )
  }
}

/** The same spec with every part of our type at this door. */
function withDoor(spec: unknown, door: Door): unknown {
  if (Array.isArray(spec)) {
    return spec.map(part => withDoor(part, door))
  }
  if (!isObject(spec)) {
    return spec
  }
  if (spec['type'] === TYPE) {
    const rest = Object.entries(spec).filter(([name]) => !DOOR_FIELDS.includes(name))
    return { ...Object.fromEntries(rest), ...door }
  }
  return Object.fromEntries(
    Object.entries(spec).map(([name, part]) => [name, withDoor(part, door)])
  )
}
