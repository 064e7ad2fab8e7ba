import { version } from '../../node/version.ts'
import type { Context } from '../context.ts'
import { contextOf, inSession, type Group } from '../group.ts'
import { daemonAddress, withSession, type Session } from '../session.ts'
import { table } from '../table.ts'

interface IdAnswer {
  ID: string
  Addresses: string[] | null
  AgentVersion: string
  Protocols: string[] | null
}

interface PeersAnswer {
  Peers: Array<{ Addr: string; Peer: string }> | null
}

export function addNode(group: Group): void {
  group.program
    .command('id')
    .description("the node's peer id and addresses")
    .action(() => id(group))
  group.program
    .command('version')
    .description('versions')
    .action(async () => {
      const value = {
        version,
        node: process.version,
        system: `${process.platform}-${process.arch}`
      }
      await contextOf(group).out.show(value, `ipfs-zfs ${version} (Node.js ${value.node})`)
    })
  group.program
    .command('shutdown')
    .description('stop the daemon')
    .action(() =>
      withDaemon(group, async ({ out, signal }, { rpc }) => {
        await rpc.open('shutdown', { signal }).then(answer => answer.text())
        await out.show({ stopped: true }, 'the daemon is stopping')
      })
    )
  const swarm = group.program.command('swarm').description('connections to other nodes')
  swarm
    .command('peers')
    .description('list connections')
    .action(() => peers(group))
  swarm
    .command('connect')
    .description('connect to a node')
    .argument('<address...>', 'multiaddrs that end in /p2p/PEER-ID')
    .action((addresses: string[]) => connect(group, addresses))
}

async function id(group: Group): Promise<void> {
  await inSession(group, async ({ out, signal }, { rpc, daemon }) => {
    const answer = await rpc.json<IdAnswer>('id', { signal })
    const addresses = answer.Addresses ?? []
    const value = {
      id: answer.ID,
      addresses,
      agentVersion: answer.AgentVersion,
      protocols: answer.Protocols ?? [],
      daemon
    }
    await out.show(value, [answer.ID, ...addresses].join('\n'))
  })
}

async function peers(group: Group): Promise<void> {
  await withDaemon(group, async ({ out, signal }, { rpc }) => {
    const { Peers } = await rpc.json<PeersAnswer>('swarm/peers', { signal })
    const found = (Peers ?? []).map(({ Addr, Peer }) => ({ address: Addr, peer: Peer }))
    found.sort((a, b) => (a.peer < b.peer ? -1 : a.peer > b.peer ? 1 : 0))
    if (out.json) for (const peer of found) await out.show(peer, '')
    else if (found.length === 0) await out.text('no connections')
    else
      await out.text(
        table(
          ['PEER', 'ADDRESS'],
          found.map(row => [row.peer, row.address])
        )
      )
  })
}

async function connect(group: Group, addresses: string[]): Promise<void> {
  await withDaemon(group, async ({ out, signal }, { rpc }) => {
    for (const address of addresses) {
      await rpc.json('swarm/connect', { args: [address], signal })
      await out.show({ address }, `connected to ${address}`)
    }
  })
}

/** For what makes no sense without a daemon. */
async function withDaemon(
  group: Group,
  work: (context: Context, session: Session) => Promise<void>
): Promise<void> {
  const context = contextOf(group)
  if ((await daemonAddress(context.repo)) == null) throw new NoDaemonError(context.repo)
  await withSession(context, session => work(context, session))
}

class NoDaemonError extends Error {
  override readonly name = 'NoDaemonError'
  readonly code = 'ERR_NO_DAEMON'

  constructor(repo: string) {
    super(`no daemon serves ${repo}; start one with: ipfs-zfs daemon`)
  }
}
