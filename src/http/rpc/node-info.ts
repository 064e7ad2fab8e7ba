import type { PeerId } from '@libp2p/interface'
import { publicKeyText } from '../../node/identity.ts'
import type { Node } from '../../node/node.ts'
import { agentVersion, version } from '../../node/version.ts'
import { value, type Command } from './command.ts'
import { ClientError } from './errors.ts'
import { bool, text } from './options.ts'
import { describePeer } from './peers.ts'
import { kuboRepoVersion } from './repo.ts'

const offlineText =
  "'ipfs id' cannot query information on remote peers without a running daemon; if you only want " +
  'to convert --peerid-base, pass --offline option'

export const id: Command = {
  name: 'id',
  ofNetwork: true,
  args: { name: 'peerid', required: false },
  options: [text('format', 'f'), text('peerid-base')],
  run: async ({ args, signal, offline }, node) => {
    const self = await node.identity()
    const asked = args[0] == null ? self.peerId : await parsePeerId(args[0])
    if (asked.equals(self.peerId)) return value(describeSelf(self.peerId, node))
    if (offline || node.network == null) throw new Error(offlineText)
    await node.network.libp2p.dial(asked, { signal })
    return value(await describePeer(asked, node.network))
  }
}

async function parsePeerId(given: string): Promise<PeerId> {
  const { peerIdFromString } = await import('@libp2p/peer-id')
  try {
    return peerIdFromString(given)
  } catch {
    throw new Error('invalid peer id')
  }
}

function describeSelf(peerId: PeerId, { network }: Node) {
  return {
    ID: peerId.toString(),
    PublicKey: publicKeyText(peerId),
    Addresses: network?.addresses() ?? null,
    AgentVersion: agentVersion,
    Protocols: network?.libp2p.getProtocols().sort() ?? null
  }
}

const architectures: Record<string, string> = { x64: 'amd64', ia32: '386' }

export const versionCommand: Command = {
  name: 'version',
  options: [bool('number', 'n'), bool('commit'), bool('repo'), bool('all')],
  run: () =>
    value({
      Version: version,
      Commit: '',
      Repo: kuboRepoVersion,
      System: `${architectures[process.arch] ?? process.arch}/${process.platform}`,
      // Kubo's field for what runs it
      Golang: `node${process.version}`
    })
}

export const shutdown: Command = {
  name: 'shutdown',
  run: (_request, node) => {
    if (node.onShutdown == null) throw new ClientError('daemon not running')
    // after the answer is on its way
    setImmediate(node.onShutdown)
    return { kind: 'values', values: nothing() }
  }
}

async function* nothing(): AsyncGenerator<never> {}
