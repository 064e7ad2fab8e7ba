import { lowerNames } from '../../client/names.ts'
import { ZfsClient } from '../../client/zfs.ts'
import type { VdevStatus } from '../../native.ts'
import type { VerifyProgress, VerifyReport } from '../../repo/types.ts'
import type { Context } from '../context.ts'
import { inSession, type Group } from '../group.ts'
import { startProgress, type Progress } from '../progress.ts'
import type { Session } from '../session.ts'
import { fields } from '../table.ts'
import { showBytes, showCount } from '../units.ts'

interface VerifyOptions {
  scrub: boolean
  quiet?: boolean
}

interface GcOptions {
  verbose?: boolean
  quiet?: boolean
}

/** As VerifyReport, with CIDs as text. */
type Report = Omit<VerifyReport, 'bad'> & {
  bad: Array<{ cid: string; code: string; why: string }>
}

interface GcLine {
  Key?: { '/': string } | null
  Error?: string
}

const phases = {
  scrub: ['reading every record', 'bytes'],
  blocks: ['proving blocks', 'blocks'],
  index: ['checking the index', 'none']
} as const

export function addRepo(group: Group): void {
  const repo = group.program.command('repo').description('the repo as a whole')
  repo
    .command('stat')
    .description('sizes, counts and the state of the pool')
    .action(() => inSession(group, stat))
  repo
    .command('verify')
    .description('prove that every block is what its CID says')
    .option('--no-scrub', 'do not have ZFS read every record of the pool first')
    .option('-q, --quiet', 'no progress')
    .action((options: VerifyOptions) =>
      inSession(group, (context, session) => verify(context, session, options))
    )
  repo
    .command('gc')
    .description('delete every block that no pin covers')
    .option('-v, --verbose', 'list the CIDs (codec raw: a block store knows no codecs)')
    .option('-q, --quiet', 'no progress')
    .action((options: GcOptions) =>
      inSession(group, (context, session) => gc(context, session, options))
    )
  repo
    .command('compact')
    .description('give back the space of packs of small blocks that are mostly dead')
    .action(() =>
      inSession(group, async ({ out, signal }, { rpc }) => {
        const freedBytes = await new ZfsClient(rpc).compact({ signal })
        await out.show({ freedBytes }, `${showBytes(freedBytes)} given back`)
      })
    )
}

async function stat({ out, signal }: Context, { rpc }: Session): Promise<void> {
  const found = await new ZfsClient(rpc).repoStat({ signal })
  const { pool } = found
  found.datasets.sort((a, b) => (a.name < b.name ? -1 : 1))
  const errors = countErrors(pool.root)
  await out.show(
    found,
    fields([
      ['repo', found.path],
      ['pool', `${pool.name}, ${pool.state}, ${showCount(errors, 'error')}`],
      ['used', `${showBytes(found.allocatedBytes)} of ${showBytes(found.maxBytes)}`],
      ['blocks', `${showCount(found.blocks, 'block')}, ${showBytes(found.blockBytes)}`],
      ['records', found.records.toLocaleString('en-US')],
      [
        'index',
        `${showBytes(found.indexDiskBytes)}, ${showBytes(found.indexMemoryBytes)} in memory`
      ],
      ['datasets', namesBelow(found.datasets.map(({ name }) => name))]
    ])
  )
}

/** `tank/ipfs with catalog, shard-0000`: sorted names, the first of which holds all others. */
function namesBelow([root = '', ...others]: string[]): string {
  return `${root} with ${others.map(name => name.slice(root.length + 1)).join(', ')}`
}

function countErrors({ readErrors, writeErrors, checksumErrors, children }: VdevStatus): number {
  const own = children.length === 0 ? readErrors + writeErrors + checksumErrors : 0
  return children.reduce((sum, child) => sum + countErrors(child), own)
}

async function verify(
  context: Context,
  { rpc }: Session,
  { scrub, quiet }: VerifyOptions
): Promise<void> {
  const { out, signal } = context
  const progress = startProgress(out, { label: 'verifying', unit: 'none', quiet })
  let report: Report | undefined
  try {
    for await (const line of rpc.lines('zfs/repo/verify', { options: { scrub }, signal })) {
      const told = lowerNames(line) as { progress?: VerifyProgress; report?: Report }
      if (told.progress != null) showPhase(progress, told.progress)
      report = told.report ?? report
    }
  } finally {
    progress.stop()
  }
  if (report == null) throw new Error('the node sent no report')
  await out.show(report, reportText(report))
  if (!report.ok) throw new DamageError(report)
}

function showPhase(progress: Progress, { phase, done, total }: VerifyProgress): void {
  const [label, unit] = phases[phase]
  progress.phase(label, unit)
  progress.set(done, total)
}

function reportText({ blocks, byPointer, byHash, unhashed, bad, faults }: Report): string {
  const parts = [`${byPointer} by block pointer`, `${byHash} by hash`]
  if (unhashed > 0) parts.push(`${unhashed} of an unknown hash function`)
  return [
    ...bad.map(({ cid, why }) => `damaged: ${cid} (${why})`),
    ...faults.map(fault => `fault: ${fault}`),
    `verified ${showCount(blocks, 'block')}: ${parts.join(', ')}`
  ].join('\n')
}

class DamageError extends Error {
  override readonly name = 'DamageError'
  readonly code = 'ERR_CORRUPT'

  constructor({ bad, faults }: Report) {
    super(
      `${showCount(bad.length, 'damaged block')}, ${showCount(faults.length, 'fault')}; ` +
        'get the damaged blocks again from where they came, or roll back to a snapshot'
    )
  }
}

async function gc(
  { out, signal }: Context,
  { rpc }: Session,
  { verbose, quiet }: GcOptions
): Promise<void> {
  const progress = startProgress(out, { label: 'collecting', unit: 'blocks', quiet })
  let blocks = 0
  try {
    for await (const { Key, Error: failure = '' } of rpc.lines<GcLine>('repo/gc', { signal })) {
      if (failure !== '') throw new Error(failure)
      if (Key == null) continue
      blocks += 1
      progress.add(1)
      if (out.json) await out.show({ cid: Key['/'] }, '')
      else if (verbose === true) await out.text(`removed ${Key['/']}`)
    }
  } finally {
    progress.stop()
  }
  await out.text(`removed ${showCount(blocks, 'block')}`)
}
