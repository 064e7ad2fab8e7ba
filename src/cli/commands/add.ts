import { Option } from 'commander'
import { multipart, type UploadPart } from '../../client/multipart.ts'
import type { Context } from '../context.ts'
import { UsageError } from '../failures.ts'
import { inSession, type Group } from '../group.ts'
import { startProgress, type Progress } from '../progress.ts'
import type { Session } from '../session.ts'
import { printable } from '../table.ts'
import { groupsByName, treeBytes, uploadParts, type TreeOptions } from '../tree.ts'

interface AddOptions {
  cidVersion: string
  rawLeaves?: boolean
  chunker?: string
  wrap?: boolean
  onlyHash?: boolean
  pin: boolean
  quiet?: boolean
  quieter?: boolean
  hidden?: boolean
  dereferenceArgs?: boolean
  stdinName?: string
}

/** As Kubo's `add` sends it; progress lines have no Hash. */
interface AddLine {
  Name: string
  Hash?: string
  Size?: string
}

/** Standard input goes alone, and roots in one upload have different names. */
type Upload = string[] | '-'

interface Added {
  name: string
  cid: string
  size: number
}

export function addAdd(group: Group): void {
  group.program
    .command('add')
    .description('add files and folders; "-" is standard input')
    .argument('<path...>', 'files, folders, or -')
    .addOption(
      new Option('--cid-version <version>', '0 is what Kubo does by default')
        .choices(['0', '1'])
        .default('1')
    )
    .option('--raw-leaves', 'raw blocks as leaves (the default with CID version 1)')
    .option('--no-raw-leaves', 'leaves wrapped in UnixFS')
    .option('-s, --chunker <chunker>', 'for example size-1048576')
    .option('-w, --wrap', 'wrap everything in one folder')
    .option('-n, --only-hash', 'only say what the CID would be')
    .option('--no-pin', 'do not pin the roots')
    .option('-q, --quiet', 'only CIDs')
    .option('-Q, --quieter', 'only the CID of the last root')
    .option('-H, --hidden', 'also files in folders whose name starts with a dot')
    .option('--dereference-args', 'follow symbolic links named on the command line')
    .option('--stdin-name <name>', 'a name for standard input')
    .option('-r, --recursive', 'does nothing: folders are always added with what they hold')
    .action((paths: string[], options: AddOptions) => {
      const uploads = planOf(paths, options)
      return inSession(group, (context, session) => add(context, session, uploads, options))
    })
}

async function add(
  context: Context,
  session: Session,
  uploads: Upload[],
  options: AddOptions
): Promise<void> {
  const tree: TreeOptions = {
    hidden: options.hidden === true,
    dereferenceArgs: options.dereferenceArgs === true,
    signal: context.signal
  }
  const progress = await startAdding(context, uploads, tree, options)
  try {
    let last: Added | undefined
    for (const upload of uploads) {
      const parts = upload === '-' ? [stdinPart(options)] : uploadParts(upload, tree)
      for await (const added of send(session, parts, options, context, progress)) {
        if (last != null) await showAdded(context, last, options)
        last = added
      }
    }
    progress.stop()
    if (last != null) await showLast(context, last, options)
  } finally {
    progress.stop()
  }
}

function planOf(paths: string[], options: AddOptions): Upload[] {
  const uploads: Upload[] = paths.includes('-') ? ['-'] : []
  const named = paths.filter(path => path !== '-')
  if (named.length > 0) uploads.push(...groupsByName(named))
  if (paths.length - named.length > 1) throw new UsageError('"-" can be given once')
  if (options.wrap === true && uploads.length > 1) {
    throw new UsageError('--wrap needs paths that end in different names, and no "-" among them')
  }
  return uploads
}

function stdinPart(options: AddOptions): UploadPart {
  return { kind: 'file', name: options.stdinName ?? '', content: process.stdin }
}

async function startAdding(
  context: Context,
  uploads: Upload[],
  tree: TreeOptions,
  options: AddOptions
): Promise<Progress> {
  const quiet = options.quiet === true || options.quieter === true
  const drawn = process.stderr.isTTY && !context.out.json && !quiet
  const paths = uploads.flatMap(upload => (upload === '-' ? [] : upload))
  const total = drawn && !uploads.includes('-') ? await treeBytes(paths, tree) : undefined
  return startProgress(context.out, { label: 'adding', total, quiet })
}

async function* send(
  session: Session,
  parts: AsyncIterable<UploadPart> | Iterable<UploadPart>,
  options: AddOptions,
  context: Context,
  progress: Progress
): AsyncGenerator<Added> {
  const lines = session.rpc.lines<AddLine>('add', {
    body: multipart(parts, bytes => progress.add(bytes)),
    signal: context.signal,
    options: {
      'cid-version': options.cidVersion,
      'raw-leaves': options.rawLeaves ?? options.cidVersion === '1',
      chunker: options.chunker,
      'wrap-with-directory': options.wrap,
      'only-hash': options.onlyHash,
      pin: options.pin,
      progress: false
    }
  })
  for await (const { Name, Hash, Size } of lines) {
    if (Hash != null) yield { name: Name, cid: Hash, size: Number(Size ?? 0) }
  }
}

async function showAdded(context: Context, added: Added, options: AddOptions): Promise<void> {
  if (options.quieter === true) return
  const { name, cid } = added
  const text = options.quiet === true ? cid : `added ${cid} ${printable(name)}`.trimEnd()
  await context.out.show(added, text)
}

async function showLast(context: Context, added: Added, options: AddOptions): Promise<void> {
  if (options.quieter === true) await context.out.show(added, added.cid)
  else await showAdded(context, added, options)
}
