import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { homedir, hostname } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { changesOf, isObject, setAt, type Change, type JsonObject } from '../settings.ts'
import { ClusterConfigError } from './errors.ts'
import { clusterSettings, type Place } from './settings.ts'

/** IPFS_CLUSTER_PATH, else ~/.ipfs-cluster; as Cluster finds it. */
export function clusterFolder(): string {
  const { IPFS_CLUSTER_PATH: path } = process.env
  return path != null && path !== '' ? resolve(path) : join(homedir(), '.ipfs-cluster')
}

export interface ClusterPlan {
  /** Of service.json. */
  file: string
  config: JsonObject
  /** There was no such file: all of it is new. */
  isNew: boolean
  changes: Change[]
}

/**
 * What `configure` would change.
 * @param secret of a new peer: 32 bytes in hex, the same for all peers; default: a random one
 */
export async function plan(folder: string, place: Place, secret?: string): Promise<ClusterPlan> {
  const file = join(folder, 'service.json')
  const found = await read(file)
  const config = found ?? newConfig(checkedSecret(secret))
  return {
    file,
    config,
    isNew: found == null,
    changes: changesOf(config, clusterSettings(config, place))
  }
}

/** Writes it, and for a new peer the identity without which Cluster does not start. */
export async function apply({ file, config, isNew, changes }: ClusterPlan): Promise<void> {
  for (const { path, value } of changes) setAt(config, path, value)
  if (isNew) await makeIdentity(dirname(file))
  if (isNew || changes.length > 0) await writeSecretly(file, config, '  ')
}

async function read(file: string): Promise<JsonObject | undefined> {
  const text = await readIfThere(file)
  if (text == null) return undefined
  let config: unknown
  try {
    config = JSON.parse(text)
  } catch (error) {
    throw new ClusterConfigError(`${file} is not JSON: ${(error as Error).message}`)
  }
  if (!isObject(config)) throw new ClusterConfigError(`${file} is not a JSON object`)
  if (typeof config['source'] === 'string' && config['source'] !== '') {
    throw new ClusterConfigError(
      `${file} takes its settings from ${config['source']}: change them there`
    )
  }
  return config
}

/** Of what is not named here Cluster takes its own defaults; a component must be named to be on. */
function newConfig(secret: string): JsonObject {
  return {
    cluster: {
      peername: hostname(),
      secret,
      listen_multiaddress: ['/ip4/0.0.0.0/tcp/9096', '/ip4/0.0.0.0/udp/9096/quic'],
      replication_factor_min: -1,
      replication_factor_max: -1
    },
    consensus: { crdt: { cluster_name: 'ipfs-cluster', trusted_peers: ['*'] } },
    api: {
      ipfsproxy: { listen_multiaddress: '/ip4/127.0.0.1/tcp/9095' },
      pinsvcapi: { http_listen_multiaddress: '/ip4/127.0.0.1/tcp/9097' },
      restapi: { http_listen_multiaddress: '/ip4/127.0.0.1/tcp/9094' }
    },
    ipfs_connector: { ipfshttp: {} },
    pin_tracker: { stateless: {} },
    monitor: { pubsubmon: { check_interval: '15s' } },
    allocator: { balanced: {} },
    informer: {
      disk: {},
      pinqueue: { metric_ttl: '30s', weight_bucket_size: 100_000 },
      tags: { tags: { group: 'default' } }
    },
    datastore: { pebble: {} }
  }
}

function checkedSecret(secret: string | undefined): string {
  if (secret == null || secret === '') return randomBytes(32).toString('hex')
  if (/^[0-9a-f]{64}$/i.test(secret)) return secret
  throw new ClusterConfigError('CLUSTER_SECRET must be 32 bytes in hex, the same for all peers')
}

/** `ipfs-cluster-service init` makes the same. One that is there stays. */
async function makeIdentity(folder: string): Promise<void> {
  const file = join(folder, 'identity.json')
  if ((await readIfThere(file)) != null) return
  const { MemoryDatastore } = await import('datastore-core')
  const { loadIdentity } = await import('../node/identity.ts')
  const { key, peerId } = await loadIdentity(new MemoryDatastore())
  // libp2p's protobuf of an Ed25519 key: its type, then its 64 bytes
  const protobuf = Buffer.concat([Buffer.from([0x08, 0x01, 0x12, 0x40]), key.raw])
  const identity = { id: peerId.toString(), private_key: protobuf.toString('base64') }
  await writeSecretly(file, identity, '    ')
}

/** All of it or, after a crash, what was there before; for its owner alone. */
async function writeSecretly(file: string, value: JsonObject, indent: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const unfinished = `${file}.${process.pid}`
  const text = `${JSON.stringify(value, null, indent)}\n`
  await writeFile(unfinished, text, { mode: 0o600, flush: true })
  await rename(unfinished, file)
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
