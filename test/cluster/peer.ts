/** One peer of a cluster: a stock ipfs-cluster-service beside an IPFS daemon. */
import { execFile, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { passed, run } from '../kubo/harness.ts'
import { freePorts } from '../free-ports.ts'
import { Service, type Daemon } from './daemons.ts'

/** The folder of the stock programs. */
export async function clusterPrograms(): Promise<string> {
  const script = fileURLToPath(new URL('../../scripts/cluster.sh', import.meta.url))
  return (await promisify(execFile)(script)).stdout.trim()
}

/** Why these tests cannot run here; undefined: they can. */
export function missing(): string | undefined {
  return spawnSync('go', ['version']).status === 0 ? undefined : 'Go is not installed'
}

/** What Cluster shows of one CID on one peer. */
export interface PeerStatus {
  status: string
  error: string
}

/** How fast things are noticed: with Cluster's own clocks, a test would wait for minutes. */
const CLOCKS = {
  CLUSTER_MONITORPINGINTERVAL: '2s',
  CLUSTER_PUBSUBMON_CHECKINTERVAL: '2s',
  CLUSTER_STATESYNCINTERVAL: '3s',
  CLUSTER_PINRECOVERINTERVAL: '10m',
  CLUSTER_IPFSHTTP_CONNECTSWARMSDELAY: '1s',
  CLUSTER_DISK_METRICTTL: '5s'
}

export class Peer<D extends Daemon = Daemon> {
  readonly name: string
  readonly daemon: D
  /** Cluster's own IPFS proxy. */
  readonly proxy: number
  readonly #programs: string
  readonly #rest: number
  readonly #swarm: number
  readonly #env: Record<string, string>
  readonly #service = new Service()
  #id = ''

  private constructor(programs: string, folder: string, daemon: D, ports: number[]) {
    const [rest = 0, swarm = 0, proxy = 0, pinning = 0] = ports
    const at = (port: number) => `/ip4/127.0.0.1/tcp/${port}`
    this.name = folder.split('/').at(-1) ?? ''
    this.daemon = daemon
    this.proxy = proxy
    this.#programs = programs
    this.#rest = rest
    this.#swarm = swarm
    this.#env = {
      IPFS_CLUSTER_PATH: join(folder, 'cluster'),
      // all peers of one test, and of no other
      CLUSTER_SECRET: createHash('sha256').update(join(folder, '..')).digest('hex'),
      CLUSTER_PEERNAME: this.name,
      CLUSTER_LISTENMULTIADDRESS: at(swarm),
      CLUSTER_MDNSINTERVAL: '0s',
      CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS: at(rest),
      CLUSTER_PINSVCAPI_HTTPLISTENMULTIADDRESS: at(pinning),
      CLUSTER_IPFSPROXY_LISTENMULTIADDRESS: at(proxy),
      CLUSTER_IPFSPROXY_NODEMULTIADDRESS: at(daemon.rpc),
      CLUSTER_IPFSHTTP_NODEMULTIADDRESS: at(daemon.rpc),
      CLUSTER_DISABLEREPINNING: 'false',
      ...CLOCKS
    }
  }

  static async make<D extends Daemon>(
    programs: string,
    folder: string,
    daemon: D
  ): Promise<Peer<D>> {
    await mkdir(folder, { recursive: true })
    const peer = new Peer(programs, folder, daemon, await freePorts(4))
    const cluster = join(folder, 'cluster')
    if (daemon.configureCluster != null) await daemon.configureCluster(cluster)
    else await peer.#run('ipfs-cluster-service', 'init', '--consensus', 'crdt')
    const identity = await readFile(join(cluster, 'identity.json'), 'utf8')
    peer.#id = (JSON.parse(identity) as { id: string }).id
    return peer
  }

  get id(): string {
    return this.#id
  }

  /** What it has logged. */
  get said(): string {
    return this.#service.said
  }

  async start(bootstrap: Peer[] = []): Promise<void> {
    const addresses = bootstrap.map(peer => peer.#address).join(',')
    const args = addresses === '' ? [] : ['--bootstrap', addresses]
    const program = join(this.#programs, 'ipfs-cluster-service')
    // it says that it is ready on standard error
    const shell = ['-c', 'exec "$0" "$@" 2>&1', program, 'daemon', ...args]
    await this.#service.start('bash', shell, this.#env, line =>
      line.includes('IPFS Cluster is READY')
    )
  }

  async stop(signal?: NodeJS.Signals): Promise<void> {
    await this.#service.stop(signal)
  }

  get #address(): string {
    return `/ip4/127.0.0.1/tcp/${this.#swarm}/p2p/${this.#id}`
  }

  /** ipfs-cluster-ctl; gives the JSON values that it prints. */
  async ctl<T = unknown>(...args: string[]): Promise<T[]> {
    const api = ['--enc', 'json', '--host', `/ip4/127.0.0.1/tcp/${this.#rest}`]
    const printed = await this.#run('ipfs-cluster-ctl', ...api, ...args)
    // each over many lines, and the last of them begins with the bracket that closes it
    const values = printed.split(/(?<=^[}\]].*)\n/m).filter(text => text.trim() !== '')
    return values.map(text => JSON.parse(text) as T)
  }

  /** A request to Cluster's REST API, for what ctl has no flag for. */
  async rest(method: string, path: string, body?: FormData): Promise<string> {
    const answer = await fetch(`http://127.0.0.1:${this.#rest}/${path}`, {
      method,
      ...(body != null && { body })
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
    return text
  }

  /** By the names of peers. */
  async status(cid: string): Promise<Record<string, PeerStatus>> {
    // of a sharded pin the shards follow
    const [first = ''] = (await this.rest('GET', `pins/${cid}`)).split('\n', 1)
    const { peer_map } = JSON.parse(first) as {
      peer_map: Record<string, PeerStatus & { peername: string }>
    }
    const peers = Object.values(peer_map).map(({ peername, status, error }) => [
      peername,
      { status, error }
    ])
    return Object.fromEntries(peers) as Record<string, PeerStatus>
  }

  /** The states of a CID in the order of the peers' names: `pinned pinned remote`. */
  async states(cid: string): Promise<string> {
    const found = Object.entries(await this.status(cid)).sort(([a], [b]) => (a < b ? -1 : 1))
    return found.map(([, { status }]) => status).join(' ')
  }

  async #run(program: string, ...args: string[]): Promise<string> {
    return passed(
      `${program} ${args.join(' ')}`,
      run(join(this.#programs, program), args, this.#env)
    )
  }
}

/** Waits until something is so; what it was last is in the failure. */
export async function until<T>(
  what: string,
  look: () => Promise<T>,
  isSo: (seen: T) => boolean,
  patience_ms = 60_000
): Promise<T> {
  const end = performance.now() + patience_ms
  let last: unknown
  for (;;) {
    try {
      const seen = await look()
      if (isSo(seen)) return seen
      last = seen
    } catch (error) {
      last = String(error)
    }
    if (performance.now() > end) throw new Error(`${what}: still ${JSON.stringify(last)}`)
    await sleep(250)
  }
}
