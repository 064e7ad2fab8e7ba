import { inSession, type Group } from '../group.ts'
import { printable, table } from '../table.ts'
import { showBytes } from '../units.ts'
import type { Context } from '../context.ts'
import type { Session } from '../session.ts'

interface LsAnswer {
  Objects: Array<{ Hash: string; Links: LsLink[] }>
}

interface LsLink {
  Name: string
  Hash: string
  Size: number
  /** The number of the UnixFS type. */
  Type: number
  Target?: string
}

interface Item {
  name: string
  cid: string
  size: number
  type: string
  target?: string
}

const types: Record<number, string> = { 1: 'directory', 2: 'file', 4: 'symlink', 5: 'directory' }
/** Rows are measured and printed in pages, so that a huge folder needs no memory. */
const pageRows = 1000

export function addLs(group: Group): void {
  group.program
    .command('ls')
    .description('list a folder')
    .argument('<path...>', 'CIDs, or paths such as CID/folder')
    .action((paths: string[]) =>
      inSession(group, async (context, session) => {
        for (const path of paths) {
          if (paths.length > 1) await context.out.text(`${path}:`)
          await list(context, session, path)
        }
      })
    )
}

async function list({ out, signal }: Context, { rpc }: Session, path: string): Promise<void> {
  let page: Item[] = []
  let first = true
  const flush = async () => {
    if (page.length > 0) await out.text(tableOf(page, first))
    page = []
    first = false
  }
  const options = { stream: true, 'resolve-type': true, size: true }
  for await (const { Objects } of rpc.lines<LsAnswer>('ls', { args: [path], options, signal })) {
    for (const link of Objects.flatMap(object => object.Links)) {
      const item = itemOf(link)
      if (out.json) await out.show(item, '')
      else page.push(item)
      if (page.length >= pageRows) await flush()
    }
  }
  await flush()
}

function itemOf({ Name, Hash, Size, Type, Target }: LsLink): Item {
  const item = { name: Name, cid: Hash, size: Size, type: types[Type] ?? 'block' }
  return Target == null || Target === '' ? item : { ...item, target: Target }
}

function tableOf(items: Item[], head: boolean): string {
  const rows = items.map(({ name, cid, size, type, target }) => [
    cid,
    type === 'directory' ? '-' : showBytes(size),
    printable(name) +
      (type === 'directory' ? '/' : target == null ? '' : ` -> ${printable(target)}`)
  ])
  const text = table(['CID', 'SIZE', 'NAME'], rows, ['left', 'right', 'left'])
  return head ? text : text.slice(text.indexOf('\n') + 1)
}
