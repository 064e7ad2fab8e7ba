import { rm, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { destination, pino, type Logger } from 'pino'
import type { RpcAddress } from '../client/address.ts'
import type { DatastoreServer } from '../http/datastore/server.ts'
import { startDatastoreServer, type DatastoreDoor } from '../http/datastore/start.ts'
import { addressMultiaddr, addressText, type ListenOptions } from '../http/listen.ts'
import { openRepo } from '../index.ts'
import type { Repo, RepoInit } from '../repo/types.ts'
import type { NetworkOptions } from './network.ts'
import { startNode, type RunningNode } from './node.ts'
import type { PressureGcOptions } from './pressure-gc.ts'

export interface DaemonOptions {
  /** How to open the repo. */
  repo: RepoInit
  /** Default: 127.0.0.1:5001. */
  rpc?: ListenOptions
  /** Default: 127.0.0.1:8080. False: no gateway. */
  gateway?: ListenOptions | false
  /** The door of the remote datastore. Default: a socket in the repo's folder. False: none. */
  datastore?: DatastoreDoor | false
  /** Default: a free TCP port on loopback, no peers. False: offline. */
  libp2p?: NetworkOptions | false
  /** See NodeOptions. */
  kubo?: RpcAddress
  /** See NodeOptions. */
  gc?: PressureGcOptions
  /** The line that says that it is ready is one JSON object. */
  json?: boolean
  /** Of pino: `info` by default. Logs go to standard error, one JSON object a line. */
  logLevel?: string
  /** Stops the daemon. Absent: SIGINT and SIGTERM do, and a second one forces it. */
  signal?: AbortSignal
  out?: Writable
  /** Default: opens it with `openRepo`. */
  open?: (init: RepoInit) => Promise<Repo>
}

/** What is under way is given this long; then the process ends as it is. */
const stopMs = 20_000

/** Runs a node until it is told to stop. Rejects when it cannot start. */
export async function runDaemon(options: DaemonOptions): Promise<void> {
  const log = pino({ level: options.logLevel ?? 'info' }, destination(2))
  const stopping = new StopRequest(options.signal, log)
  const stray = (reason: unknown) => log.error({ reason: String(reason) }, 'unhandled rejection')
  // one peer's broken connection must not end a storage node
  process.on('unhandledRejection', stray)
  try {
    const repo = await (options.open ?? openRepo)(options.repo)
    try {
      await serveUntilStopped(repo, options, stopping, log)
    } finally {
      await repo.close()
      log.info('repo closed')
    }
  } finally {
    stopping.done()
    process.off('unhandledRejection', stray)
  }
}

async function serveUntilStopped(
  repo: Repo,
  options: DaemonOptions,
  stopping: StopRequest,
  log: Logger
): Promise<void> {
  if (stopping.requested) return
  const node = await startNode({
    repo,
    rpc: options.rpc ?? { host: '127.0.0.1', port: 5001 },
    ...(options.gateway === false
      ? {}
      : { gateway: options.gateway ?? { host: '127.0.0.1', port: 8080 } }),
    libp2p: options.libp2p ?? {},
    ...(options.kubo != null && { kubo: options.kubo }),
    ...(options.gc != null && { gc: options.gc }),
    log,
    onShutdown: () => stopping.request('shutdown')
  })
  let files: AddressFile[] = []
  let datastore: DatastoreServer | undefined
  try {
    const { datastore: door = {} } = options
    datastore = door === false ? undefined : await startDatastoreServer(node.node, door, log)
    files = await writeAddressFiles(repo.path, node)
    await announce(node, datastore?.shown ?? null, options)
    await stopping.wait()
  } finally {
    for (const file of files) await removeIfOurs(file)
    await datastore?.close()
    await node.stop()
    log.info('stopped')
  }
}

async function announce(
  running: RunningNode,
  datastore: string | null,
  options: DaemonOptions
): Promise<void> {
  const { rpcAddress, gatewayAddress, node } = running
  const { peerId } = await node.identity()
  const rpc = rpcAddress == null ? null : addressText(rpcAddress)
  const gateway = gatewayAddress == null ? null : addressText(gatewayAddress)
  const swarm = node.network?.addresses() ?? []
  const { pid } = process
  const out = options.out ?? process.stdout
  node.log.info({ rpc, gateway, datastore, swarm, peer: peerId.toString() }, 'ready')
  if (options.json === true) {
    const peer = peerId.toString()
    const ready = { ready: true, rpc, gateway, datastore, pid, peerId: peer, swarm }
    out.write(`${JSON.stringify(ready)}\n`)
    return
  }
  const lines = [
    `Kubo RPC API on ${rpc}`,
    ...(gateway == null ? [] : [`Trustless gateway on http://${gateway}`]),
    ...(datastore == null ? [] : [`Remote datastore on ${datastore}`]),
    ...swarm.map(address => `Peers reach it at ${address}`),
    'Daemon is ready'
  ]
  out.write(`${lines.join('\n')}\n`)
}

interface AddressFile {
  path: string
  text: string
}

/** Where Kubo's clients look for the address of the daemon of a repo. */
async function writeAddressFiles(folder: string, running: RunningNode): Promise<AddressFile[]> {
  const files: AddressFile[] = []
  const { rpcAddress, gatewayAddress } = running
  if (rpcAddress != null) {
    files.push({ path: join(folder, 'api'), text: addressMultiaddr(rpcAddress) })
  }
  if (gatewayAddress != null) {
    files.push({ path: join(folder, 'gateway'), text: `http://${addressText(gatewayAddress)}` })
  }
  for (const { path, text } of files) await writeFile(path, text)
  return files
}

async function removeIfOurs({ path, text }: AddressFile): Promise<void> {
  const found = await readFile(path, 'utf8').catch(() => undefined)
  if (found === text) await rm(path, { force: true })
}

/** The first request ends the daemon in good order; the second, or a long wait, at once. */
class StopRequest {
  readonly #log: Logger
  readonly #signal: AbortSignal | undefined
  readonly #requested = new AbortController()
  #deadline: NodeJS.Timeout | undefined

  constructor(signal: AbortSignal | undefined, log: Logger) {
    this.#log = log
    this.#signal = signal
    if (signal == null) {
      process.on('SIGINT', this.#onSignal)
      process.on('SIGTERM', this.#onSignal)
    } else if (signal.aborted) {
      this.request('abort')
    } else {
      signal.addEventListener('abort', this.#onAbort, { once: true })
    }
  }

  get requested(): boolean {
    return this.#requested.signal.aborted
  }

  request(why: string): void {
    if (this.requested) return
    this.#log.info({ why }, 'stopping')
    this.#deadline = setTimeout(() => {
      this.#log.fatal('did not stop in time')
      process.exit(1)
    }, stopMs)
    this.#deadline.unref()
    this.#requested.abort()
  }

  async wait(): Promise<void> {
    if (this.requested) return
    await new Promise<void>(resolve => {
      // an open server keeps the process alive; a node without one needs this
      const alive = setInterval(() => {}, 2 ** 30)
      this.#requested.signal.addEventListener(
        'abort',
        () => {
          clearInterval(alive)
          resolve()
        },
        { once: true }
      )
    })
  }

  done(): void {
    clearTimeout(this.#deadline)
    process.off('SIGINT', this.#onSignal)
    process.off('SIGTERM', this.#onSignal)
    this.#signal?.removeEventListener('abort', this.#onAbort)
  }

  readonly #onSignal = (name: NodeJS.Signals): void => {
    if (this.requested) {
      this.#log.fatal({ signal: name }, 'told again: ending at once')
      process.exit(name === 'SIGINT' ? 130 : 143)
    }
    this.request(name)
  }

  readonly #onAbort = (): void => this.request('abort')
}
