import type { Multiaddr } from '@multiformats/multiaddr'
import type { Connection } from '@libp2p/interface'
import type { Network } from '../../node/network.ts'
import type { Node } from '../../node/node.ts'
import { value, type Command, type RpcRequest } from './command.ts'
import { errorText } from './errors.ts'
import { bool } from './options.ts'
import { connectionAddress, describePeer, streamProtocols } from './peers.ts'

const offlineText = "this action must be run in online mode, try running 'ipfs daemon' first"
const noPeer = { ID: '', PublicKey: '', Addresses: null, AgentVersion: '', Protocols: null }

function online({ network }: Node): Network {
  if (network == null) throw new Error(offlineText)
  return network
}

export const swarmPeers: Command = {
  name: 'swarm/peers',
  ofNetwork: true,
  options: [
    bool('verbose', 'v'),
    bool('streams'),
    bool('latency'),
    bool('direction'),
    bool('identify')
  ],
  run: async (request, node) => {
    const network = online(node)
    const peers = await Promise.all(
      network.connections().map(connection => describe(connection, request, network))
    )
    peers.sort((a, b) => (a.Addr < b.Addr ? -1 : 1))
    return value({ Peers: peers.length === 0 ? null : peers })
  }
}

async function describe(connection: Connection, { options }: RpcRequest, network: Network) {
  const asked = (name: string) => options.bool('verbose') || options.bool(name)
  const direction = connection.direction === 'inbound' ? 1 : 2
  const streams = asked('streams') ? streamProtocols(connection) : []
  return {
    Addr: connectionAddress(connection),
    Peer: connection.remotePeer.toString(),
    ...(asked('latency') ? { Latency: latency(connection) } : {}),
    ...(asked('direction') ? { Direction: direction } : {}),
    ...(streams.length > 0 ? { Streams: streams.map(Protocol => ({ Protocol })) } : {}),
    Identify: asked('identify') ? await describePeer(connection.remotePeer, network) : noPeer
  }
}

function latency({ rtt }: Connection): string {
  return rtt == null ? 'n/a' : `${rtt}ms`
}

export const swarmConnect: Command = {
  name: 'swarm/connect',
  ofNetwork: true,
  args: { name: 'address', required: true },
  run: async ({ args, signal }, node) => {
    const peers = await Promise.all(args.map(parseAddress))
    const done: string[] = []
    for (const { address, peer } of peers) {
      try {
        await online(node).connect(address, { signal })
      } catch (error) {
        throw new Error(`connect ${peer} failure: ${errorText(error)}`, { cause: error })
      }
      done.push(`connect ${peer} success`)
    }
    return value({ Strings: done })
  }
}

/** Closes what is open to a peer: all of it, or only what goes by the address. */
export const swarmDisconnect: Command = {
  name: 'swarm/disconnect',
  ofNetwork: true,
  args: { name: 'address', required: true },
  run: async ({ args, signal }, node) => {
    const asked = await Promise.all(args.map(parseAddress))
    const network = online(node)
    const Strings: string[] = []
    for (const { address, peer } of asked) {
      const by = address.toString().replace(/\/(?:p2p|ipfs)\/[^/]+$/, '')
      const toPeer = network
        .connections()
        .filter(({ remotePeer }) => remotePeer.toString() === peer)
      const found = toPeer.filter(one => by === '' || connectionAddress(one) === by)
      for (const connection of found) await connection.close({ signal })
      const why = toPeer.length === 0 ? 'not connected' : 'conn not found'
      Strings.push(`disconnect ${peer} ${found.length > 0 ? 'success' : `failure: ${why}`}`)
    }
    return value({ Strings })
  }
}

/** Of all peers that it knows. */
export const swarmAddrs: Command = {
  name: 'swarm/addrs',
  ofNetwork: true,
  run: async (_request, node) => {
    const peers = await online(node).libp2p.peerStore.all()
    const known = peers
      .filter(({ addresses }) => addresses.length > 0)
      .map(({ id, addresses }): [string, string[]] => [
        id.toString(),
        addresses.map(({ multiaddr }) => multiaddr.toString()).sort()
      ])
    return value({ Addrs: Object.fromEntries(known) })
  }
}

export const swarmAddrsLocal: Command = {
  name: 'swarm/addrs/local',
  ofNetwork: true,
  options: [bool('id')],
  run: ({ options }, node) => {
    const addresses = online(node).addresses()
    return value({ Strings: options.bool('id') ? addresses : addresses.map(withoutPeer) })
  }
}

export const swarmAddrsListen: Command = {
  name: 'swarm/addrs/listen',
  ofNetwork: true,
  run: (_request, node) => value({ Strings: online(node).addresses().map(withoutPeer) })
}

function withoutPeer(address: string): string {
  return address.replace(/\/p2p\/[^/]+$/, '')
}

async function parseAddress(given: string): Promise<{ address: Multiaddr; peer: string }> {
  const { multiaddr } = await import('@multiformats/multiaddr')
  const peer = /\/(?:p2p|ipfs)\/([^/]+)$/.exec(given)?.[1]
  try {
    const address = multiaddr(given)
    if (peer != null) return { address, peer }
  } catch (error) {
    const why = given.startsWith('/') ? errorText(error) : 'must begin with /'
    throw new Error(`failed to parse multiaddr ${JSON.stringify(given)}: ${why}`)
  }
  throw new Error('invalid p2p multiaddr')
}
