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
