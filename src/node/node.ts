import type { Blockstore } from 'interface-blockstore'
import type { CID } from 'multiformats/cid'
import { pino, type Logger } from 'pino'
import type { RpcAddress } from '../client/address.ts'
import { ownerOfBlocks } from '../http/datastore/namespaces.ts'
import { startGateway } from '../http/gateway/server.ts'
import type { Listening, ListenOptions } from '../http/listen.ts'
import { startRpc } from '../http/rpc/server.ts'
import { migratePins } from '../pins/migrate.ts'
import { Pins } from '../pins/pins.ts'
import type { SharedLock } from '../pins/shared-lock.ts'
import { TimedFetcher } from '../pins/timed-fetcher.ts'
import type { Fetcher } from '../pins/types.ts'
import type { Repo } from '../repo/types.ts'
import { Blocks, type FetchBlock } from './blocks.ts'
import { heliaKeeps } from './helia-pins.ts'
import { KuboFetch } from './kubo-fetch.ts'
import { loadIdentity, type Identity } from './identity.ts'
import type { Network, NetworkOptions } from './network.ts'
import { PressureGc, type PressureGcOptions } from './pressure-gc.ts'

export interface NodeOptions {
  /** Open; the node does not close it. */
  repo: Repo
  rpc?: ListenOptions
  gateway?: ListenOptions
  /** False: no network at all, every read is local. Default: false. */
  libp2p?: NetworkOptions | false
  /** The RPC of a Kubo that answers what this node has no command for. */
  kubo?: RpcAddress
  /** Collects garbage by itself when the pool fills up. Absent: only when it is asked to. */
  gc?: PressureGcOptions
  log?: Logger
  /** Called when a client asks the node to shut down. Absent: it is refused. */
  onShutdown?: () => void
}

/** What the servers' handlers work with. */
export interface Node {
  readonly repo: Repo
  readonly blocks: Blocks
  readonly pins: Pins
  /** That of the pins: shared while blocks are added, alone for moments of a collection. */
  readonly gcLock: SharedLock
  /** Fetches what a pin is missing; undefined on a node without a network. */
  readonly fetcher: Fetcher | undefined
  readonly network: Network | undefined
  readonly kubo: RpcAddress | undefined
  readonly log: Logger
  readonly onShutdown: (() => void) | undefined
  identity(): Promise<Identity>
  /** Tells peers that wait for them that these blocks are here now. */
  announce(cids: CID[]): void
}

export interface RunningNode {
  readonly node: Node
  readonly rpcAddress: Listening | undefined
  readonly gatewayAddress: Listening | undefined
  readonly helia: Network['helia'] | undefined
  /** Ends open requests, closes the servers and leaves the network. The repo stays open. */
  stop(): Promise<void>
}

/** Composes a repo, a network and the servers into a node. */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const log = options.log ?? pino({ level: 'silent' })
  const undo: Array<() => Promise<void>> = []
  const stop = async () => {
    for (let step = undo.pop(); step != null; step = undo.pop()) await step()
  }
  try {
    const node = await createNode(options, log)
    const { network } = node
    if (options.gc != null) {
      const gc = await PressureGc.start(node, options.gc)
      undo.push(() => gc.stop())
    }
    if (network != null) undo.push(() => network.stop())
    const rpc = options.rpc == null ? undefined : await startRpc(node, options.rpc)
    if (rpc != null) undo.push(() => rpc.close())
    const gateway = options.gateway == null ? undefined : await startGateway(node, options.gateway)
    if (gateway != null) undo.push(() => gateway.close())
    return {
      node,
      rpcAddress: rpc?.address,
      gatewayAddress: gateway?.address,
      helia: network?.helia,
      stop
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Helia and libp2p are most of what there is to load, so an offline node does without. */
async function startNetwork(
  { libp2p, repo }: NodeOptions,
  blockstore: Blockstore,
  identity: () => Promise<Identity>,
  log: Logger
): Promise<Network | undefined> {
  if (libp2p == null || libp2p === false) return undefined
  const { Network } = await import('./network.ts')
  const { datastore } = repo
  return Network.start(libp2p, { blockstore, datastore, identity: await identity(), log })
}

/** A node without a network of its own leaves fetching to its Kubo. */
function kuboFetch({ kubo }: NodeOptions, store: Blockstore, pins: Pins): KuboFetch | undefined {
  if (kubo == null) return undefined
  return new KuboFetch(kubo, store, async (cid, ask) => pins.storing([cid.multihash.bytes], ask))
}

function fetchFrom(source: Network | KuboFetch | undefined): FetchBlock | undefined {
  return source == null ? undefined : (cid, options) => source.fetch(cid, options)
}

async function createNode(options: NodeOptions, log: Logger): Promise<Node> {
  const { repo } = options
  const { catalog, pinBlocks, datastore: records } = repo
  const pins: Pins = new Pins({
    catalog,
    blocks: pinBlocks,
    records,
    keptByOthers: async given => heliaKeeps(records, blocks, given),
    onStuck: (key, why) => log.warn({ key, why }, 'the links of an unpinned block stay counted')
  })
  const store: Blockstore = repo.blocksWithin(async (multihashes, put) =>
    pins.storing(multihashes, put)
  )
  let known: Promise<Identity> | undefined
  const identity = () => (known ??= loadIdentity(repo.datastore))
  const network = await startNetwork(options, store, identity, log)
  const fetch = fetchFrom(network ?? kuboFetch(options, store, pins))
  const blocks = new Blocks(store, fetch)
  const migration = await migratePins(records, pins, {
    noteBlocks: (await ownerOfBlocks(records)) == null
  })
  for (const { cid, why } of migration.failed) log.warn({ cid, why }, 'an old pin is not counted')
  return {
    repo,
    blocks,
    pins,
    gcLock: pins.lock,
    fetcher: fetch == null ? undefined : new TimedFetcher(fetch),
    network,
    kubo: options.kubo,
    log,
    onShutdown: options.onShutdown,
    identity,
    announce: cids => network?.announce(cids)
  }
}
