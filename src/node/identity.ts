import type { PeerId, PrivateKey } from '@libp2p/interface'
import type { Datastore } from 'interface-datastore'

export interface Identity {
  key: PrivateKey
  peerId: PeerId
}

/**
 * The repo's key pair, made when it is first asked for. It is kept where libp2p's keychain keeps
 * it, so a Helia application that opens the same repo is the same peer.
 */
export async function loadIdentity(records: Datastore): Promise<Identity> {
  // loaded only when it is needed: a command without a network should start quickly
  const [{ loadOrCreateSelfKey }, { peerIdFromPrivateKey }] = await Promise.all([
    import('@libp2p/config'),
    import('@libp2p/peer-id')
  ])
  const key = await loadOrCreateSelfKey(records)
  return { key, peerId: peerIdFromPrivateKey(key) }
}

/** As libp2p's protobuf, in base64: Kubo's `PublicKey`. Known only for Ed25519, which we make. */
export function publicKeyText(peerId: PeerId): string {
  return peerId.type === 'Ed25519'
    ? Buffer.from(peerId.toMultihash().digest).toString('base64')
    : ''
}
