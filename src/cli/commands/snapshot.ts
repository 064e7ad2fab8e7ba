import type { Command } from 'commander'
import { inSession, type Group } from '../group.ts'
import { table } from '../table.ts'
import { showBytes } from '../units.ts'

interface SnapshotAnswer {
  Name: string
  Created: string
  UsedBytes: number
  ReferencedBytes: number
}

interface SnapshotLine {
  name: string
  created: string
  usedBytes: number
  referencedBytes: number
}

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
    const args = name == null ? [] : [name]
    const made = lineOf(await rpc.json<SnapshotAnswer>('zfs/snapshot/create', { args, signal }))
    await out.show(made, `created ${made.name}`)
  })
}

async function list(group: Group): Promise<void> {
  await inSession(group, async ({ out, signal }, { rpc }) => {
    const found: SnapshotLine[] = []
    for await (const answer of rpc.lines<SnapshotAnswer>('zfs/snapshot/list', { signal })) {
      found.push(lineOf(answer))
    }
    if (out.json) for (const line of found) await out.show(line, '')
    else await out.text(found.length === 0 ? 'no snapshots' : tableOf(found))
  })
}

function tableOf(snapshots: SnapshotLine[]): string {
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
        await rpc.json(`zfs/snapshot/${verb}`, { args: [name], signal })
        await out.show({ name }, `${done} ${name}`)
      })
    )
}

function lineOf({ Name, Created, UsedBytes, ReferencedBytes }: SnapshotAnswer): SnapshotLine {
  return { name: Name, created: Created, usedBytes: UsedBytes, referencedBytes: ReferencedBytes }
}
