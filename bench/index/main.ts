/**
 * The digest index beside RocksDB, LMDB (random and sorted keys) and classic-level, in one run,
 * each in a process of its own:
 *
 *   npm run bench:index -- [--keys 1e6 --keys 1e7 …] [--only NAME …] [--limit-s SECONDS]
 *                          [--json FILE] [--folder DIR]
 *
 * Needs librocksdb-dev and liblmdb-dev. FILE is written after each contender; what it holds of
 * others and of other counts stays. `node bench/index/plot.ts FILE` draws docs/img from it.
 *
 * With --limit-s no stage (insert, each kind of lookup, scan, delete) goes on for longer. A
 * contender whose inserts stop goes on with the keys that are in it, and both the table and the
 * picture say how many that are. Without it 1e8 keys take RocksDB 20 minutes of processor time and
 * classic-level hours, and LMDB writes hundreds of GB.
 */
import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'

export interface Row {
  perSecond: number
  cpuMicroseconds: number
  seconds: number
  /** What it was measured over: less than `wanted` where the limit stopped it. */
  count: number
  wanted: number
}

/** What a contender's program prints. */
export interface Report {
  rows: Record<string, Row>
  /** That were in it when the inserts ended; the bytes below are of one of these. */
  keys: number
  diskBytesPerKey: number
  memoryBytesPerKey: number
  residentMaxBytes: number
  writtenBytesPerKey: number
  writeAmplification: number
  readsPerColdHit: number
  longestPutMs: number
  /** The longest put, less what its thread waited for a processor. */
  longestBlockedMs: number
  longestStallMs: number
}

export interface Measured extends Report {
  /** The machine's load of one minute, before it began and at its end. */
  load: { before: number; after: number }
}

/** By planned count of keys, then by contender. */
export type Results = Record<string, Record<string, Measured>>

interface Contender {
  /** Program and its arguments but for count of keys, folder and options. */
  command: string
  args: string[]
  sorted?: boolean
  keysMax?: number
}

const root = join(import.meta.dirname, '../..')
const build = join(root, 'build/bench-index')
const program = join(build, 'index_bench')
const contenders: Record<string, Contender> = {
  'ipfs-zfs': { command: program, args: ['ipfs-zfs'] },
  'ipfs-zfs in memory': { command: program, args: ['ipfs-zfs in memory'], keysMax: 2e7 },
  RocksDB: { command: program, args: ['rocksdb'] },
  LMDB: { command: program, args: ['lmdb'] },
  'LMDB sorted': { command: program, args: ['lmdb'], sorted: true },
  'classic-level': {
    command: process.execPath,
    args: [join(import.meta.dirname, 'classic-level.ts')]
  }
}

const { values } = parseArgs({
  options: {
    keys: { type: 'string', multiple: true, default: ['1e6'] },
    json: { type: 'string' },
    only: { type: 'string', multiple: true },
    'limit-s': { type: 'string' },
    folder: { type: 'string', default: tmpdir() }
  }
})
const execute = promisify(execFile)

function buildProgram(): void {
  const prefix = execFileSync(join(root, 'scripts/openzfs.sh'), ['release'], { encoding: 'utf8' })
  const stdio = ['ignore', 'ignore', 'inherit'] as const
  const source = join(root, 'bench/index')
  execFileSync('cmake', ['-S', source, '-B', build, `-DOPENZFS_PREFIX=${prefix.trim()}`], {
    stdio: [...stdio]
  })
  execFileSync('cmake', ['--build', build, '--parallel', '2'], { stdio: [...stdio] })
}

async function measure(contender: Contender, keys: number): Promise<Measured> {
  const folder = mkdtempSync(join(values.folder, 'ipfs-zfs-bench-index-'))
  try {
    const args = [...contender.args, String(keys), folder]
    if (contender.sorted === true) args.push('--sorted')
    if (values['limit-s'] != null) args.push('--limit-s', values['limit-s'])
    const [before = 0] = loadavg()
    const { stdout } = await execute(contender.command, args)
    const [after = 0] = loadavg()
    return { ...(JSON.parse(stdout) as Report), load: { before, after } }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Zero is what a contender does not say. */
function known(value: number, digits: number): string {
  return value === 0 ? '–' : value.toFixed(digits)
}

function print(keys: number, results: Record<string, Measured>): void {
  const names = Object.keys(results)
  const line = (title: string, cell: (one: Measured) => string): void =>
    console.log(`| ${title} | ${Object.values(results).map(cell).join(' | ')} |`)
  console.log(`\n## ${keys.toLocaleString('en')} keys\n`)
  console.log(`| | ${names.join(' | ')} |\n|---|${names.map(() => '---:|').join('')}`)
  const rows = new Set(Object.values(results).flatMap(one => Object.keys(one.rows)))
  for (const row of rows) {
    line(row, one => {
      const cell = one.rows[row]
      if (cell == null) return '–'
      if (row === 'reopen') return `${(cell.seconds * 1000).toFixed(0)} ms`
      const stopped =
        cell.count < cell.wanted ? ` (stopped at ${cell.count.toLocaleString('en')})` : ''
      return (
        `${Math.round(cell.perSecond).toLocaleString('en')}/s, ` +
        `${cell.cpuMicroseconds.toFixed(2)} µs${stopped}`
      )
    })
  }
  line('keys in it', one => one.keys.toLocaleString('en'))
  line('bytes a key on disk', one => one.diskBytesPerKey.toFixed(1))
  line('bytes a key in memory', one => known(one.memoryBytesPerKey, 2))
  line('resident at most, MiB', one => (one.residentMaxBytes / 2 ** 20).toFixed(0))
  line('written over the records', one => `× ${one.writeAmplification.toFixed(2)}`)
  line('page reads a cold hit', one => known(one.readsPerColdHit, 3))
  line('longest put, ms', one => known(one.longestPutMs, 0))
  line('the same but for waiting for a processor, ms', one => known(one.longestBlockedMs, 0))
  line('load before, after', one => `${one.load.before.toFixed(1)}, ${one.load.after.toFixed(1)}`)
}

function resultsSoFar(file: string | undefined): Results {
  if (file == null || !existsSync(file)) return {}
  return JSON.parse(readFileSync(file, 'utf8')) as Results
}

async function main(): Promise<void> {
  buildProgram()
  console.log(`${cpus().length} × ${cpus()[0]?.model ?? 'unknown processor'}`)
  console.log('Each cell: a second of wall clock, and processor time of the whole process for one.')
  const all = resultsSoFar(values.json)
  for (const keys of values.keys.map(Number)) {
    const results: Record<string, Measured> = {}
    for (const [name, contender] of Object.entries(contenders)) {
      if (values.only != null && !values.only.includes(name)) continue
      if (keys > (contender.keysMax ?? Infinity)) continue
      results[name] = await measure(contender, keys)
      all[String(keys)] = { ...all[String(keys)], [name]: results[name] }
      if (values.json != null) writeFileSync(values.json, JSON.stringify(all, null, 2) + '\n')
    }
    print(keys, results)
  }
}

await main()
