import type { Connection, PeerId } from '@libp2p/interface'
import type { Network } from '../../node/network.ts'
import { publicKeyText } from '../../node/identity.ts'

const textMax = 128

/** What a peer says of itself, made harmless for terminals and logs. */
function clean(text: string): string {
  return [...text.replace(/[\p{Cc}\p{Cf}\p{Cs}]/gu, '\ufffd').trim()].slice(0, textMax).join('')
}

export async function describePeer(peerId: PeerId, { libp2p }: Network) {
  const known = await libp2p.peerStore.get(peerId).catch(() => undefined)
  const addresses =
    known?.addresses.map(({ multiaddr }) => withPeer(String(multiaddr), peerId)) ?? []
  const agent = known?.metadata.get('AgentVersion')
  return {
    ID: peerId.toString(),
    PublicKey: publicKeyText(peerId),
    Addresses: addresses.length === 0 ? null : addresses.sort(),
    AgentVersion: agent == null ? '' : clean(new TextDecoder().decode(agent)),
    Protocols: known == null ? null : known.protocols.map(clean).sort()
  }
}

function withPeer(address: string, peerId: PeerId): string {
  return address.includes('/p2p/') ? address : `${address}/p2p/${String(peerId)}`
}

/** The address without the peer's id, which stands beside it. */
export function connectionAddress({ remoteAddr }: Connection): string {
  return String(remoteAddr).replace(/\/p2p\/[^/]+$/, '')
}

export function streamProtocols(connection: Connection): string[] {
  return connection.streams.map(stream => clean(stream.protocol ?? '')).sort()
}
