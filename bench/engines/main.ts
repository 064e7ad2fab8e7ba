/**
 * The embedded and the kernel engine on the rows of `npm run bench`, in one boot of the lab
 * (scripts/kernel-lab.sh), where both pools are files of the host and both caches have one limit:
 *
 *   npm run bench:engines -- [--json] [--size BYTES …]
 *
 * Prints ratios, kernel to embedded: blocks a second, and µs of processor time a block, of the
 * process and of the whole lab (ZFS's own threads in the kernel are in the second only). System
 * calls and page faults cost a hundred times what they cost elsewhere there; docs/engines.md says
 * what of this can be believed. KERNEL_LAB=qemu measures in QEMU, where all is ten times slower
 * alike; give it one size at a time and an hour.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import type { Row, Rows } from '../contender.ts'

const ENGINES = ['embedded', 'kernel'] as const
const MEMORY_MIB = 4096
/** The embedded engine's default in a machine of MEMORY_MIB; the kernel's is set to it. */
const CACHE_BYTES = (MEMORY_MIB / 4) * 1024 * 1024
const LIMIT_SECONDS = 3600

type Engine = (typeof ENGINES)[number]
type Measured = Record<Engine, Rows>

const root = resolve(import.meta.dirname, '../..')
const execute = promisify(execFile)
const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    size: { type: 'string', multiple: true, default: ['1024', '262144'] }
  }
})

/** One line of JSON for each engine and size. */
function command(sizes: number[]): string {
  const runs = sizes.flatMap(size =>
    ENGINES.map(engine => {
      const folder = `$LAB_OUT/${engine}-${size}`
      const node = `'${process.execPath}' bench/contender.ts ipfs-zfs ${size} ${folder}`
      return `mkdir ${folder} && IPFS_ZFS_ENGINE=${engine} ${node} && rm -r ${folder}`
    })
  )
  return [
    'set -e',
    `echo ${CACHE_BYTES} >/sys/module/zfs/parameters/zfs_arc_max`,
    'export TMPDIR=$LAB_OUT',
    ...runs
  ].join('\n')
}

async function measure(sizes: number[]): Promise<Record<string, Measured>> {
  const out = mkdtempSync(join(tmpdir(), 'ipfs-zfs-bench-'))
  try {
    const limits = ['--mem', String(MEMORY_MIB), '--timeout', String(LIMIT_SECONDS)]
    const args = [...limits, '--out', out, '--', command(sizes)]
    const { stdout } = await execute('scripts/kernel-lab.sh', args, {
      cwd: root,
      maxBuffer: 1 << 20
    })
    const rows = stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as Rows)
    return Object.fromEntries(
      sizes.map((size, i) => [
        size,
        { embedded: rows[2 * i] ?? {}, kernel: rows[2 * i + 1] ?? {} } satisfies Measured
      ])
    )
  } finally {
    rmSync(out, { recursive: true, force: true })
  }
}

const COLUMNS: Array<[string, (row: Row) => number]> = [
  ['blocks a second', row => row.perSecond],
  ['CPU of the process', row => row.cpuMicrosecondsPerBlock],
  ['CPU of the lab', row => row.machineMicrosecondsPerBlock]
]

function cell(embedded: Row, kernel: Row, of: (row: Row) => number): string {
  const [ours, theirs] = [of(embedded), of(kernel)]
  const ratio = ours > 0 ? (theirs / ours).toFixed(2) : '–'
  const text = (value: number): string =>
    value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(1)
  return `${ratio} (${text(ours)} → ${text(theirs)})`
}

function print(size: number, { embedded, kernel }: Measured): void {
  console.log(`\n## ${size.toLocaleString('en')}-byte blocks\n`)
  console.log(`| | ${COLUMNS.map(([name]) => name).join(' | ')} |`)
  console.log(`|---|${COLUMNS.map(() => '---:|').join('')}`)
  for (const name of Object.keys(embedded)) {
    const [ours, theirs] = [embedded[name], kernel[name]]
    if (ours == null || theirs == null) continue
    console.log(`| ${name} | ${COLUMNS.map(([, of]) => cell(ours, theirs, of)).join(' | ')} |`)
  }
}

const sizes = values.size.map(Number)
const measured = await measure(sizes)
if (values.json) {
  console.log(JSON.stringify(measured, null, 2))
} else {
  console.log('kernel / embedded (embedded → kernel; CPU in µs a block), both in the lab.')
  for (const size of sizes) print(size, measured[size] as Measured)
}
