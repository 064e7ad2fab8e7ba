import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { withBitswap } from '@helia/bitswap'
import type { BlockBroker } from '@helia/interface'
import { withLibp2pLight, type HeliaWithLibp2p } from '@helia/libp2p'
import * as dagCbor from '@ipld/dag-cbor'
import * as dagJson from '@ipld/dag-json'
import { identify, identifyPush } from '@libp2p/identify'
import type { Connection, Libp2p, PeerId } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import type { AbortOptions } from 'abort-error'
import { createHeliaLight } from 'helia'
import type { Blockstore } from 'interface-blockstore'
import type { Datastore } from 'interface-datastore'
import type { CID } from 'multiformats/cid'
import * as json from 'multiformats/codecs/json'
import { sha512 } from 'multiformats/hashes/sha2'
import type { Logger } from 'pino'
import { Fetches } from './fetches.ts'
import type { Identity } from './identity.ts'
import { KeptPeers } from './kept-peers.ts'
import { agentVersion, version } from './version.ts'

export interface NetworkOptions {
  /** Multiaddrs. Default: a free TCP port on loopback. */
  listen?: string[]
  /** Multiaddrs with `/p2p/…`, dialled at start and again whenever the connection is lost. */
  peers?: string[]
}

export interface NetworkParts {
  blockstore: Blockstore
  datastore: Datastore
  identity: Identity
  log: Logger
}

type Node = HeliaWithLibp2p<Record<string, unknown>>

/** Room for a block of 2 MiB, bitswap's largest; over 4 MiB the encoder beneath refuses. */
const sentMessageBytesMax = 3 * 1024 * 1024
/** Kubo's limit. */
const receivedMessageBytesMax = 4 * 1024 * 1024

/** The node's side that faces other peers: Helia with libp2p and bitswap, nobody called unasked. */
export class Network {
  readonly helia: Node
  readonly #kept: KeptPeers
  readonly #fetches = new Fetches((cid, options) => this.#fetchOnce(cid, options))

  private constructor(helia: Node, kept: KeptPeers) {
    this.helia = helia
    this.#kept = kept
  }

  static async start(options: NetworkOptions, parts: NetworkParts): Promise<Network> {
    const { blockstore, datastore, identity, log } = parts
    const peers = (options.peers ?? []).map(text => multiaddr(text))
    const base = createHeliaLight({
      blockstore,
      datastore,
      codecs: [dagCbor, dagJson, json],
      hashers: [sha512]
    })
    const online = withLibp2pLight(base, {
      privateKey: identity.key,
      nodeInfo: { name: 'ipfs-zfs', version, userAgent: agentVersion },
      addresses: { listen: options.listen ?? ['/ip4/127.0.0.1/tcp/0'] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: { identify: identify(), identifyPush: identifyPush() }
    })
    const helia = withBitswap(online, {
      maxOutgoingMessageSize: sentMessageBytesMax,
      maxIncomingMessageSize: receivedMessageBytesMax
    })
    await helia.start()
    const kept = new KeptPeers(helia.libp2p, peers, log)
    kept.start()
    return new Network(helia, kept)
  }

  get libp2p(): Libp2p {
    return this.helia.libp2p
  }

  /** From whoever is connected and has it: checked, stored, and told to those who wait for it. */
  async fetch(cid: CID, options: AbortOptions): Promise<Uint8Array> {
    return this.#fetches.get(cid, options)
  }

  async #fetchOnce(cid: CID, options: AbortOptions): Promise<Uint8Array> {
    const pieces: Uint8Array[] = []
    for await (const piece of this.helia.blockstore.get(cid, options)) pieces.push(piece)
    return pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces)
  }

  /** Blocks were stored: peers that asked for one of them get it now. */
  announce(cids: CID[]): void {
    if (this.libp2p.getConnections().length === 0) return
    // the class behind the interface has it; the interface does not say so
    const { blockBrokers } = this.helia as unknown as { blockBrokers: BlockBroker[] }
    for (const broker of blockBrokers) {
      for (const cid of cids) broker.announce?.(cid)?.catch(() => {})
    }
  }

  /** With `/p2p/<id>`, as Kubo shows them. */
  addresses(): string[] {
    return this.libp2p.getMultiaddrs().map(String).sort()
  }

  connections(): Connection[] {
    return this.libp2p.getConnections()
  }

  async connect(address: Multiaddr, options: AbortOptions): Promise<PeerId> {
    return (await this.libp2p.dial(address, options)).remotePeer
  }

  async stop(): Promise<void> {
    this.#kept.stop()
    await this.helia.stop()
  }
}
