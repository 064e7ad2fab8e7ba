import { Option } from 'commander'
import type { Context } from '../context.ts'
import { inSession, type Group } from '../group.ts'
import type { Session } from '../session.ts'
import { printable } from '../table.ts'

/** While it walks, `pin/add` says how far; then which. */
interface AddLine {
  Pins?: string[]
  Progress?: number
}

interface ListLine {
  Cid: string
  Type: string
  Name?: string
}

interface AddOptions {
  recursive: boolean
  name?: string
}

interface ListOptions {
  type?: string
  names?: boolean
  quiet?: boolean
}

export function addPin(group: Group): void {
  const pin = group.program.command('pin').description('what garbage collection keeps')
  pin
    .command('add')
    .description('pin DAGs; blocks that are missing come from the network')
    .argument('<path...>', 'CIDs or paths')
    .option('--no-recursive', 'only the block itself')
    .option('-n, --name <name>', 'a name for the pins')
    .action((paths: string[], options: AddOptions) =>
      inSession(group, (context, session) => add(context, session, paths, options))
    )
  pin
    .command('rm')
    .description('unpin')
    .argument('<path...>', 'CIDs or paths')
    .action((paths: string[]) =>
      inSession(group, async ({ out, signal }, { rpc }) => {
        const { Pins } = await rpc.json<{ Pins: string[] }>('pin/rm', { args: paths, signal })
        for (const cid of Pins) await out.show({ cid }, `unpinned ${cid}`)
      })
    )
  pin
    .command('ls')
    .description('list pins, or say what pins the blocks given')
    .argument('[path...]', 'CIDs or paths')
    .addOption(
      new Option('-t, --type <type>', 'default: all but indirect').choices([
        'all',
        'recursive',
        'direct',
        'indirect'
      ])
    )
    .option('--names', 'with the names of pins')
    .option('-q, --quiet', 'only CIDs')
    .action((paths: string[], options: ListOptions) =>
      inSession(group, (context, session) => list(context, session, paths, options))
    )
}

async function add(
  { out, signal }: Context,
  { rpc }: Session,
  paths: string[],
  { recursive, name }: AddOptions
): Promise<void> {
  const options = { recursive, name }
  for await (const { Pins } of rpc.lines<AddLine>('pin/add', { args: paths, options, signal })) {
    const mode = recursive ? 'recursive' : 'direct'
    for (const cid of Pins ?? []) await out.show({ cid, mode }, `pinned ${cid} (${mode})`)
  }
}

async function list(
  { out, signal }: Context,
  { rpc }: Session,
  paths: string[],
  { type, names, quiet }: ListOptions
): Promise<void> {
  const defaults = paths.length > 0 ? ['all'] : ['recursive', 'direct']
  for (const one of type == null ? defaults : [type]) {
    const options = { type: one, names, stream: true }
    for await (const line of rpc.lines<ListLine>('pin/ls', { args: paths, options, signal })) {
      const { Cid: cid, Type, Name: name = '' } = line
      const named = `${cid} ${Type}${name === '' ? '' : ` ${printable(name)}`}`
      const value = { cid, type: Type, ...(name !== '' && { name }) }
      await out.show(value, quiet === true ? cid : named)
    }
  }
}
