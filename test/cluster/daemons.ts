/** The two kinds of IPFS daemon that a peer of the cluster can have, each a process of its own. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePorts } from '../free-ports.ts'
import { firstLine, passed, run } from '../kubo/harness.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

/** What a test needs of a peer's IPFS daemon, whoever made it. */
export interface Daemon {
  /** Port of the RPC on 127.0.0.1, the same after each start. */
  readonly rpc: number
  /** Writes the configuration of a Cluster peer that uses it, when it has a way of its own. */
  configureCluster?(folder: string): Promise<void>
  start(): Promise<void>
  stop(signal?: NodeJS.Signals): Promise<void>
}

/** A daemon of this project. */
export interface ZfsBacked extends Daemon {
  /** Runs the command on its repo; gives what it prints, in JSON. */
  cli(...args: string[]): Promise<string>
}

/** A program that runs until it is stopped. */
export class Service {
  /** What it has said last. */
  said = ''
  #child: ChildProcess | undefined

  async start(
    program: string,
    args: string[],
    env: Record<string, string>,
    isReady: (line: string) => boolean
  ): Promise<void> {
    const child = spawn(program, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe']
    })
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) {
      stream.on(
        'data',
        (chunk: Buffer) => (this.said = (this.said + chunk.toString()).slice(-20_000))
      )
    }
    const ready = (line: string): true | undefined => (isReady(line) ? true : undefined)
    await firstLine(child, ready, () => this.said)
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child == null || child.exitCode != null || child.signalCode != null) return
    const closed = once(child, 'close')
    // what does not end when it is asked must not hold up the tests
    const timer = setTimeout(() => child.kill('SIGKILL'), 30_000)
    child.kill(signal)
    await closed
    clearTimeout(timer)
  }
}

export interface ZfsDaemonOptions {
  /** The RPC port of a Kubo that fetches for it. */
  kubo?: number
  sizeText?: string
}

/** An ipfs-zfs daemon on a repo and pool of its own. */
export class ZfsDaemon implements ZfsBacked {
  readonly rpc: number
  readonly repo: string
  readonly #service = new Service()
  readonly #options: ZfsDaemonOptions
  readonly #ports: { gateway: number; swarm: number }

  private constructor(repo: string, ports: number[], options: ZfsDaemonOptions) {
    const [rpc = 0, gateway = 0, swarm = 0] = ports
    this.rpc = rpc
    this.repo = repo
    this.#ports = { gateway, swarm }
    this.#options = options
  }

  static async make(folder: string, options: ZfsDaemonOptions = {}): Promise<ZfsDaemon> {
    const daemon = new ZfsDaemon(join(folder, 'zfs'), await freePorts(3), options)
    await daemon.cli('init', '--size', options.sizeText ?? '1G')
    return daemon
  }

  async cli(...args: string[]): Promise<string> {
    return this.cliWith({}, ...args)
  }

  async cliWith(env: Record<string, string>, ...args: string[]): Promise<string> {
    const all = ['--no-warnings', MAIN, '--repo', this.repo, '--json', ...args]
    return passed(`ipfs-zfs ${args.join(' ')}`, run(process.execPath, all, env))
  }

  async configureCluster(folder: string): Promise<void> {
    await this.cli('cluster', 'configure', '--cluster', folder)
  }

  async start(): Promise<void> {
    const { gateway, swarm } = this.#ports
    const { kubo } = this.#options
    const network =
      kubo == null
        ? ['--listen', `/ip4/127.0.0.1/tcp/${swarm}`]
        : ['--offline', '--kubo', `127.0.0.1:${kubo}`]
    const args = ['--no-warnings', MAIN, '--repo', this.repo, '--json', 'daemon']
    const ports = ['--rpc', `127.0.0.1:${this.rpc}`, '--gateway', `127.0.0.1:${gateway}`]
    const all = [...args, ...ports, ...network, '--log-level', 'error']
    await this.#service.start(process.execPath, all, {}, line => line.includes('"ready":true'))
  }

  async stop(signal?: NodeJS.Signals): Promise<void> {
    await this.#service.stop(signal)
  }
}

/** A Kubo; its repo is made here unless it is there. */
export class KuboDaemon implements Daemon {
  readonly rpc: number
  readonly path: string
  readonly #ipfs: string
  readonly #service = new Service()

  private constructor(ipfs: string, path: string, rpc: number) {
    this.#ipfs = ipfs
    this.path = path
    this.rpc = rpc
  }

  /** A plain one, with blocks and pins in files as Kubo has them by default. */
  static async make(ipfs: string, folder: string): Promise<KuboDaemon> {
    const kubo = await KuboDaemon.at(ipfs, join(folder, 'kubo'))
    await mkdir(folder, { recursive: true })
    await kubo.run('init', '--profile=test')
    await kubo.configure()
    return kubo
  }

  static async at(ipfs: string, path: string): Promise<KuboDaemon> {
    const [rpc = 0] = await freePorts(1)
    return new KuboDaemon(ipfs, path, rpc)
  }

  async configure(): Promise<void> {
    await this.run('config', 'Addresses.API', `/ip4/127.0.0.1/tcp/${this.rpc}`)
    await this.run('config', 'Addresses.Gateway', '/ip4/127.0.0.1/tcp/0')
  }

  async run(...args: string[]): Promise<string> {
    return passed(`ipfs ${args.join(' ')}`, run(this.#ipfs, args, { IPFS_PATH: this.path }))
  }

  async start(...options: string[]): Promise<void> {
    await this.#service.start(this.#ipfs, ['daemon', ...options], { IPFS_PATH: this.path }, line =>
      line.includes('Daemon is ready')
    )
  }

  async stop(signal?: NodeJS.Signals): Promise<void> {
    await this.#service.stop(signal)
    await rm(join(this.path, 'api'), { force: true })
  }
}

/** An ipfs-zfs daemon whose blocks a Kubo fetches, which keeps them in the same repo. */
export class ZfsDaemonWithKubo implements ZfsBacked {
  readonly #zfs: ZfsDaemon
  readonly #kubo: KuboDaemon
  #kuboRuns = false

  private constructor(zfs: ZfsDaemon, kubo: KuboDaemon) {
    this.#zfs = zfs
    this.#kubo = kubo
  }

  static async make(ipfs: string, folder: string): Promise<ZfsDaemonWithKubo> {
    const kubo = await KuboDaemon.at(ipfs, join(folder, 'kubo'))
    const zfs = await ZfsDaemon.make(folder, { kubo: kubo.rpc })
    const init = ['kubo', 'init', '--ipfs', ipfs, '--profile', 'test']
    await zfs.cliWith({ IPFS_PATH: kubo.path }, ...init)
    await zfs.start()
    await kubo.configure()
    await kubo.run('config', '--json', 'Datastore.BlockKeyCacheSize', '0')
    await zfs.stop()
    return new ZfsDaemonWithKubo(zfs, kubo)
  }

  get rpc(): number {
    return this.#zfs.rpc
  }

  async cli(...args: string[]): Promise<string> {
    return this.#zfs.cli(...args)
  }

  async configureCluster(folder: string): Promise<void> {
    await this.#zfs.configureCluster(folder)
  }

  async start(): Promise<void> {
    await this.#zfs.start()
    if (!this.#kuboRuns) await this.#kubo.start()
    this.#kuboRuns = true
  }

  /** Kubo stays when the daemon is killed under it. */
  async stop(signal?: NodeJS.Signals): Promise<void> {
    if (signal !== 'SIGKILL') {
      await this.#kubo.stop(signal)
      this.#kuboRuns = false
    }
    await this.#zfs.stop(signal)
  }
}
