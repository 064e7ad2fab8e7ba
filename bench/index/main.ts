/**
 * The digest index beside RocksDB, LMDB (random and sorted keys) and classic-level, in one run,
 * each in a process of its own:
 *
 *   npm run bench:index -- [--keys 1e6 --keys 1e7 …] [--json FILE] [--only NAME …] [--folder DIR]
 *
 * Needs librocksdb-dev and liblmdb-dev. A classic-level of more than 1e7 keys is left out: it
 * takes hours. `node bench/index/plot.ts FILE` draws docs/img from the JSON.
 */
import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'

export interface Row {
  perSecond: number
  cpuMicroseconds: number
  seconds: number
}

export interface Measured {
  rows: Record<string, Row>
  diskBytesPerKey: number
  memoryBytesPerKey: number
  residentMaxBytes: number
  writtenBytesPerKey: number
  writeAmplification: number
  readsPerColdHit: number
  longestPutMs: number
  longestStallMs: number
}

/** By count of keys, then by contender. */
export type Results = Record<string, Record<string, Measured>>

interface Contender {
  /** Program and its arguments but for the last two: count of keys, folder. */
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
  LMDB: { command: program, args: ['lmdb'], keysMax: 2e7 },
  'LMDB sorted': { command: program, args: ['lmdb'], sorted: true, keysMax: 1e8 },
  'classic-level': {
    command: process.execPath,
    args: [join(import.meta.dirname, 'classic-level.ts')],
    keysMax: 1e7
  }
}

const { values } = parseArgs({
  options: {
    keys: { type: 'string', multiple: true, default: ['1e6'] },
    json: { type: 'string' },
    only: { type: 'string', multiple: true },
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
    if (contender.sorted === true) args.push('sorted')
    const { stdout } = await execute(contender.command, args)
    return JSON.parse(stdout) as Measured
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
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
      return `${Math.round(cell.perSecond).toLocaleString('en')}/s, ${cell.cpuMicroseconds.toFixed(2)} µs`
    })
  }
  line('bytes a key on disk', one => one.diskBytesPerKey.toFixed(1))
  line('bytes a key in memory', one =>
    one.memoryBytesPerKey === 0 ? '–' : one.memoryBytesPerKey.toFixed(2)
  )
  line('resident at most, MiB', one => (one.residentMaxBytes / 2 ** 20).toFixed(0))
  line('written over the records', one => `× ${one.writeAmplification.toFixed(2)}`)
  line('page reads a cold hit', one =>
    one.readsPerColdHit === 0 ? '–' : one.readsPerColdHit.toFixed(3)
  )
  line('longest put, ms', one => one.longestPutMs.toFixed(0))
}

async function main(): Promise<void> {
  buildProgram()
  console.log(`${cpus().length} × ${cpus()[0]?.model ?? 'unknown processor'}`)
  console.log('Each cell: a second of wall clock, and processor time of the whole process for one.')
  const all: Results = {}
  for (const keys of values.keys.map(Number)) {
    const results: Record<string, Measured> = {}
    for (const [name, contender] of Object.entries(contenders)) {
      if (values.only != null && !values.only.includes(name)) continue
      if (keys > (contender.keysMax ?? Infinity)) continue
      results[name] = await measure(contender, keys)
    }
    all[String(keys)] = results
    print(keys, results)
    if (values.json != null) writeFileSync(values.json, JSON.stringify(all, null, 2) + '\n')
  }
}

await main()
