import { lowerNames } from '../../client/names.ts'
import type { ShardIndexStats } from '../../repo/types.ts'
import type { Context } from '../context.ts'
import { inSession, type Group } from '../group.ts'
import type { Session } from '../session.ts'
import { fields } from '../table.ts'
import { showBytes, showCount } from '../units.ts'

/** A record on disk. */
const recordBytes = 40

export function addIndex(group: Group): void {
  const index = group.program.command('index').description('the digest index: where each block is')
  index
    .command('stat')
    .description('sizes, and what the index cost since the repo was opened')
    .action(() => inSession(group, stat))
  index
    .command('check')
    .description('prove order, counts, checksums and filters, and that no place has two keys')
    .action(() => inSession(group, check))
  index
    .command('dump')
    .description('list every key (the digest, in hex) with the place of its block')
    .action(() => inSession(group, dump))
  index
    .command('compact')
    .description('merge the runs of each index into one')
    .action(() => inSession(group, compact))
}

async function stat({ out, signal }: Context, { rpc }: Session): Promise<void> {
  for await (const line of rpc.lines('zfs/index/stat', { signal })) {
    const stats = lowerNames(line) as ShardIndexStats
    await out.show(stats, textOf(stats))
  }
}

function textOf(stats: ShardIndexStats): string {
  const written = stats.logWrittenBytes + stats.runWrittenBytes
  const amplification = written / Math.max(1, stats.changes * recordBytes)
  const misses = stats.filterProbes - stats.cachedPages - stats.readPages + stats.falsePositives
  const falseShare = stats.falsePositives / Math.max(1, misses)
  return fields([
    ['index', `${stats.family} of shard ${stats.shard}`],
    ['keys', stats.keys.toLocaleString('en-US')],
    ['runs', `${showCount(stats.runs, 'run')}, ${showBytes(stats.runBytes)}`],
    ['in no run yet', `${showCount(stats.tableKeys, 'key')}, ${showBytes(stats.logBytes)} of log`],
    [
      'memory',
      `${showBytes(stats.memoryBytes)}: filters ${showBytes(stats.filterBytes)}, ` +
        `pages ${showBytes(stats.cacheBytes)}`
    ],
    [
      'written',
      `${showCount(stats.changes, 'change')}, ${showBytes(written)}, ` +
        `${amplification.toFixed(2)} times the records`
    ],
    [
      'lookups',
      `${showCount(stats.lookups, 'key')}, ${showCount(stats.readPages, 'page')} read, ` +
        `${stats.cachedPages.toLocaleString('en-US')} cached, ` +
        `${(falseShare * 100).toFixed(2)} % false positives`
    ],
    [
      'stalls',
      `${showCount(stats.stalls, 'stall')}, the longest ${stats.longestStallMs.toFixed(1)} ms`
    ]
  ])
}

async function check({ out, signal }: Context, { rpc }: Session): Promise<void> {
  const answer = await rpc.json<{ Keys: number; Faults: string[] }>('zfs/index/check', { signal })
  const { Keys: keys, Faults: faults } = answer
  const lines = [...faults.map(fault => `fault: ${fault}`), `checked ${showCount(keys, 'key')}`]
  await out.show({ keys, faults }, lines.join('\n'))
  if (faults.length > 0) throw new IndexFaultsError(faults.length)
}

class IndexFaultsError extends Error {
  override readonly name = 'IndexFaultsError'
  readonly code = 'ERR_CORRUPT'

  constructor(faults: number) {
    super(`${showCount(faults, 'fault')}; run repo verify, and roll back to a snapshot`)
  }
}

async function dump({ out, signal }: Context, { rpc }: Session): Promise<void> {
  const lines = rpc.lines<{ Key: string; Place: string }>('zfs/index/dump', { signal })
  for await (const { Key: key, Place: place } of lines) {
    await out.show({ key, place }, `${key} ${place}`)
  }
}

async function compact({ out, signal }: Context, { rpc }: Session): Promise<void> {
  const { Runs: runs } = await rpc.json<{ Runs: number }>('zfs/index/compact', { signal })
  await out.show({ runs }, `${showCount(runs, 'run')} left`)
}
