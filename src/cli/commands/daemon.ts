import { Writable } from 'node:stream'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { parseAddress, parseHostPort, type RpcAddress } from '../../client/address.ts'
import { durationMs } from '../../duration.ts'
import type { DatastoreDoor } from '../../http/datastore/start.ts'
import type { PressureGcOptions } from '../../node/pressure-gc.ts'
import type { Context } from '../context.ts'
import { UsageError } from '../failures.ts'
import { contextOf, type Group } from '../group.ts'
import { fields } from '../table.ts'
import { addInitOptions, initOf, repoExists, size, type InitOptions } from './init.ts'

interface DaemonOptions {
  rpc: RpcAddress
  gateway: RpcAddress
  datastore?: string
  datastoreToken?: string
  datastoreCert?: string
  datastoreKey?: string
  peer?: string[]
  listen?: string[]
  offline?: boolean
  kubo?: RpcAddress
  gcAbove?: number
  gcAge?: number
  indexMemory?: number
  logLevel: string
}

/** The line with which runDaemon says that it is ready. */
interface Announced {
  rpc: string
  gateway: string
  datastore: string | null
  pid: number
  peerId: string
  swarm: string[]
}

const datastoreForms = 'where a Kubo finds its datastore: unix:PATH, host:port, or none'

export function addDaemon(group: Group): void {
  addDaemonOptions(
    group.program
      .command('daemon')
      .description('serve the repo: to peers, on the Kubo RPC API, and on a trustless gateway'),
    'info'
  ).action((options: DaemonOptions) => {
    const context = contextOf(group)
    return serve(context, options, { path: context.repo }, daemonText)
  })

  addDaemonOptions(
    addInitOptions(
      group.program
        .command('start')
        .description('init if there is no repo yet, then daemon; says how to use it')
    ),
    'warn'
  ).action(async (options: DaemonOptions & InitOptions) => {
    const context = contextOf(group)
    const exists = await repoExists(context.repo)
    if (!exists) await context.out.text(`making a repo at ${context.repo}`)
    const init = exists ? { path: context.repo } : initOf(context.repo, options)
    await serve(context, options, init, startText)
  })
}

function addDaemonOptions(command: Command, logLevel: string): Command {
  return command
    .addOption(addressOption('--rpc <host:port>', 'where the RPC listens', 5001))
    .addOption(addressOption('--gateway <host:port>', 'where the gateway listens', 8080))
    .option('--datastore <address>', `${datastoreForms}; default: unix:REPO/datastore`)
    .option('--datastore-token <file>', 'for a host and port; default: REPO/datastore.token')
    .option('--datastore-cert <file>', 'TLS for a host and port: the certificate, in PEM')
    .option('--datastore-key <file>', 'TLS: the key of the certificate, in PEM')
    .option('--listen <multiaddr>', 'where peers reach it; again for more', collect)
    .option('--peer <multiaddr>', 'a peer to stay connected to; again for more', collect)
    .option('--offline', 'no peers')
    .addOption(
      new Option('--kubo <address>', 'the RPC of a Kubo that helps; see docs/cluster.md').argParser(
        kuboAddress
      )
    )
    .addOption(
      new Option(
        '--gc-above <percent>',
        'collect garbage while more of the pool is used; default: only when asked to'
      ).argParser(percent)
    )
    .addOption(
      new Option(
        '--gc-age <duration>',
        'with --gc-above: how long blocks stay that were never pinned; default: 1h'
      ).argParser(seconds)
    )
    .option('--index-memory <size>', 'for the index of blocks; default: see docs/scale.md', size)
    .addOption(
      new Option('--log-level <level>', 'of the log, JSON lines on standard error')
        .choices(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
        .default(logLevel)
    )
}

function addressOption(flags: string, description: string, port: number): Option {
  const host = '127.0.0.1'
  return new Option(flags, `${description}; port 0 takes a free one`)
    .argParser(address)
    .default({ host, port }, `${host}:${port}`)
}

async function serve(
  { out, signal }: Context,
  options: DaemonOptions,
  repo: ReturnType<typeof initOf>,
  text: (ready: Announced, repo: string) => string
): Promise<void> {
  const { runDaemon } = await import('../../node/daemon.ts')
  const { rpc, gateway, listen, peer, offline, kubo, indexMemory, logLevel } = options
  const network = { ...(listen != null && { listen }), ...(peer != null && { peers: peer }) }
  const announce = (line: string) => {
    const announced = JSON.parse(line) as Announced
    const { swarm, datastore, pid, peerId } = announced
    const addresses = { rpc: announced.rpc, gateway: announced.gateway, datastore }
    const value = { ready: true, ...addresses, pid, peerId }
    return out.show({ ...value, addresses: swarm }, text(announced, repo.path))
  }
  await runDaemon({
    repo: { ...repo, ...(indexMemory != null && { indexMemoryBytes: indexMemory }) },
    rpc,
    gateway,
    datastore: doorOf(options),
    libp2p: offline === true ? false : network,
    ...(kubo != null && { kubo }),
    ...gcOf(options),
    json: true,
    logLevel,
    signal,
    out: new Writable({
      decodeStrings: false,
      write: (line: string, _encoding, done) => void announce(line).then(() => done(), done)
    })
  })
}

function gcOf({ gcAbove, gcAge }: DaemonOptions): { gc?: PressureGcOptions } {
  if (gcAbove != null) {
    return { gc: { abovePercent: gcAbove, ...(gcAge != null && { minAgeSeconds: gcAge }) } }
  }
  if (gcAge == null) return {}
  throw new UsageError('--gc-age needs --gc-above, which says when to collect')
}

function doorOf({ datastore, ...files }: DaemonOptions): DatastoreDoor | false {
  if (datastore === 'none') return false
  const { datastoreToken, datastoreCert, datastoreKey } = files
  return {
    ...(datastore != null && { listen: datastore }),
    ...(datastoreToken != null && { tokenFile: datastoreToken }),
    ...(datastoreCert != null && { certFile: datastoreCert }),
    ...(datastoreKey != null && { keyFile: datastoreKey })
  }
}

function daemonText({ rpc, gateway, datastore, swarm }: Announced): string {
  return fields([
    ['RPC', `http://${rpc}`],
    ['gateway', `http://${gateway}`],
    ...(datastore == null ? [] : [['datastore', datastore] as [string, string]]),
    ...swarm.map((address): [string, string] => ['peers', address]),
    ['ready', 'stop it with Ctrl-C, or: ipfs-zfs shutdown']
  ])
}

/** For someone who sees it for the first time. */
function startText({ rpc, gateway, swarm }: Announced, repo: string): string {
  return `
  Your node is running.

    repo     ${repo}
    RPC      http://${rpc}   (the API of Kubo)
    gateway  http://${gateway}
    peers    ${swarm[0] ?? 'none: it is offline'}

  In another terminal, in this folder:

    npx -s ipfs-zfs add README.md             # prints a CID
    npx -s ipfs-zfs ls CID                    # and: cat, get, export, import
    npx -s ipfs-zfs snapshot create before    # and: snapshot rollback before
    npx -s ipfs-zfs repo verify               # proves every block
    npx -s ipfs-zfs --help

    curl -F file=@README.md 'http://${rpc}/api/v0/add?cid-version=1'
    curl 'http://${gateway}/ipfs/CID?format=raw'

  Ctrl-C stops it; the data stays.
`
}

function address(value: string): RpcAddress {
  const found = parseHostPort(value)
  if (found == null) throw new InvalidArgumentError('Write HOST:PORT, for example 127.0.0.1:5001.')
  return found
}

function kuboAddress(value: string): RpcAddress {
  const found = parseAddress(value) ?? parseHostPort(value)
  if (found != null) return found
  throw new InvalidArgumentError('Write HOST:PORT, /ip4/HOST/tcp/PORT or /unix/PATH.')
}

function percent(value: string): number {
  const found = /^\d+(\.\d+)?%?$/.test(value) ? Number.parseFloat(value) : NaN
  if (found >= 0 && found <= 100) return found
  throw new InvalidArgumentError('Write a percentage, for example 90.')
}

function seconds(value: string): number {
  const ms = durationMs(value)
  if (ms == null) throw new InvalidArgumentError('Write for example 30m or 12h.')
  return ms / 1000
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value]
}
