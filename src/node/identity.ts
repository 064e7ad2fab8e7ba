import { loadOrCreateSelfKey } from '@libp2p/config'
import type { PeerId, PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
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
  const key = await loadOrCreateSelfKey(records)
  return { key, peerId: peerIdFromPrivateKey(key) }
}

/** As libp2p's protobuf, in base64: Kubo's `PublicKey`. Known only for Ed25519, which we make. */
export function publicKeyText(peerId: PeerId): string {
  return peerId.type === 'Ed25519' ? Buffer.from(peerId.toMultihash().digest).toString('base64') : ''
}
