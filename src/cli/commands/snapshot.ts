import type { Command } from 'commander'
import { ZfsClient, type ZfsSnapshot } from '../../client/zfs.ts'
import { inSession, type Group } from '../group.ts'
import { table } from '../table.ts'
import { showBytes } from '../units.ts'

export function addSnapshot(group: Group): void {
  const snapshot = group.program
    .command('snapshot')
    .description('the whole repo as it was at a moment')
  snapshot
    .command('create')
    .description('keep the repo as it is now')
    .argument('[name]', 'default: the time')
    .action((name: string | undefined) => create(group, name))
  snapshot
    .command('list')
    .alias('ls')
    .description('list snapshots, oldest first')
    .action(() => list(group))
  addByName(
    snapshot,
    group,
    'rollback',
    'put the repo back to a snapshot, the newest one',
    'rolled back to'
  )
  addByName(snapshot, group, 'destroy', 'delete a snapshot', 'destroyed')
}

async function create(group: Group, name: string | undefined): Promise<void> {
  await inSession(group, async ({ out, signal }, { rpc }) => {
    const made = await new ZfsClient(rpc).createSnapshot(name, { signal })
    await out.show(made, `created ${made.name}`)
  })
}

async function list(group: Group): Promise<void> {
  await inSession(group, async ({ out, signal }, { rpc }) => {
    const found: ZfsSnapshot[] = []
    for await (const line of new ZfsClient(rpc).snapshots({ signal })) found.push(line)
    if (out.json) for (const line of found) await out.show(line, '')
    else await out.text(found.length === 0 ? 'no snapshots' : tableOf(found))
  })
}

function tableOf(snapshots: ZfsSnapshot[]): string {
  const rows = snapshots.map(({ name, created, usedBytes, referencedBytes }) => [
    name,
    created.replace(/\.\d+Z$/, 'Z'),
    showBytes(usedBytes),
    showBytes(referencedBytes)
  ])
  return table(['NAME', 'CREATED', 'OWN', 'HOLDS'], rows, ['left', 'left', 'right', 'right'])
}

function addByName(
  snapshot: Command,
  group: Group,
  verb: 'rollback' | 'destroy',
  description: string,
  done: string
): void {
  snapshot
    .command(verb)
    .description(description)
    .argument('<name>', 'the snapshot')
    .action((name: string) =>
      inSession(group, async ({ out, signal }, { rpc }) => {
        const zfs = new ZfsClient(rpc)
        if (verb === 'rollback') await zfs.rollback(name, { signal })
        else await zfs.destroySnapshot(name, { signal })
        await out.show({ name }, `${done} ${name}`)
      })
    )
}
