import { open, stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { multipart, type UploadPart } from '../../client/multipart.ts'
import type { RpcAnswer } from '../../client/rpc.ts'
import type { Context } from '../context.ts'
import { UsageError } from '../failures.ts'
import { chunksOf, inPlace } from '../files.ts'
import { inSession, type Group } from '../group.ts'
import { startProgress, type Progress } from '../progress.ts'
import type { Session } from '../session.ts'
import { showBytes, showCount } from '../units.ts'

interface ImportOptions {
  pinRoots: boolean
  quiet?: boolean
}

interface ExportOptions {
  output?: string
  quiet?: boolean
}

/** `dag/import` answers a line for each root, then one with the figures. */
interface ImportLine {
  Root?: { Cid: { '/': string }; PinErrorMsg?: string }
  Stats?: { BlockCount: number; BlockBytesCount: number }
}

interface Imported {
  roots: string[]
  blocks: number
  bytes: number
}

export function addCar(group: Group): void {
  group.program
    .command('import')
    .description('import CAR files (version 1 or 2); every block is checked against its CID')
    .argument('<file...>', 'CAR files; "-" is standard input')
    .option('--no-pin-roots', 'do not pin the roots')
    .option('-q, --quiet', 'no progress')
    .action((files: string[], options: ImportOptions) =>
      inSession(group, async (context, session) => {
        const imported = await importAll(context, session, files, options)
        await context.out.show(imported, importedText(imported))
      })
    )
  group.program
    .command('export')
    .description('write a DAG as a CAR file (version 1), to standard output or to a file')
    .argument('<cid>', 'the root')
    .option('-o, --output <file>', 'write here; the file appears when it is complete')
    .option('-q, --quiet', 'no progress')
    .action((cid: string, options: ExportOptions) => {
      if (options.output == null && process.stdout.isTTY) {
        throw new UsageError('a CAR is not for a terminal: give -o FILE, or redirect the output')
      }
      return inSession(group, (context, session) => exportCar(context, session, cid, options))
    })
}

async function importAll(
  context: Context,
  session: Session,
  files: string[],
  options: ImportOptions
): Promise<Imported> {
  const total = await totalBytes(files)
  const progress = startProgress(context.out, { label: 'importing', total, quiet: options.quiet })
  const imported: Imported = { roots: [], blocks: 0, bytes: 0 }
  try {
    const lines = session.rpc.lines<ImportLine>('dag/import', {
      body: multipart(carParts(files, context.signal), bytes => progress.add(bytes)),
      options: { stats: true, 'pin-roots': options.pinRoots, 'allow-big-block': true },
      signal: context.signal
    })
    for await (const { Root, Stats } of lines) {
      if (Root != null) imported.roots.push(rootOf(Root))
      imported.blocks += Stats?.BlockCount ?? 0
      imported.bytes += Stats?.BlockBytesCount ?? 0
    }
  } finally {
    progress.stop()
  }
  return imported
}

/** Fails on the first file that is not there, before anything is sent. */
async function totalBytes(files: string[]): Promise<number | undefined> {
  let total = 0
  for (const file of files) if (file !== '-') total += (await stat(file)).size
  return files.includes('-') ? undefined : total
}

function rootOf({ Cid, PinErrorMsg = '' }: NonNullable<ImportLine['Root']>): string {
  if (PinErrorMsg === '') return Cid['/']
  throw new Error(`the blocks are stored, but ${Cid['/']} is not pinned: ${PinErrorMsg}`)
}

function importedText({ roots, blocks, bytes }: Imported): string {
  const total = `imported ${showCount(blocks, 'block')}, ${showBytes(bytes)}`
  return [...roots.map(root => `root ${root}`), total].join('\n')
}

async function* carParts(files: string[], signal: AbortSignal): AsyncGenerator<UploadPart> {
  for (const file of files) {
    const name = file === '-' ? 'stdin' : basename(file)
    yield { kind: 'file', name, content: chunksOf(file, signal) }
  }
}

async function exportCar(
  context: Context,
  session: Session,
  cid: string,
  options: ExportOptions
): Promise<void> {
  const { out, signal } = context
  const answer = await session.rpc.open('dag/export', { args: [cid], signal })
  const { output, quiet } = options
  const progress = startProgress(out, { label: 'exporting', total: answer.totalBytes, quiet })
  try {
    if (output == null) {
      await eachChunk(answer, progress, chunk => out.bytes(chunk))
      return
    }
    const path = resolve(output)
    const bytes = await exportTo(path, answer, progress)
    progress.stop()
    await out.show({ root: cid, path, bytes }, `saved ${output} (${showBytes(bytes)})`)
  } finally {
    progress.stop()
  }
}

async function exportTo(path: string, answer: RpcAnswer, progress: Progress): Promise<number> {
  let bytes = 0
  const write = async (to: string) => {
    const file = await open(to, 'w')
    try {
      await eachChunk(answer, progress, async chunk => {
        await file.writeFile(chunk)
        bytes += chunk.byteLength
      })
    } finally {
      await file.close()
    }
  }
  const existing = await stat(path).catch(() => undefined)
  // A device, a pipe: nothing that could be replaced. A folder gives its own error.
  if (existing != null && !existing.isFile()) await write(path)
  else await inPlace(path, write)
  return bytes
}

async function eachChunk(
  answer: RpcAnswer,
  progress: Progress,
  take: (chunk: Uint8Array) => Promise<void>
): Promise<void> {
  for await (const chunk of answer.bytes()) {
    await take(chunk)
    progress.add(chunk.byteLength)
  }
}
