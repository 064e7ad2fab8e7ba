/**
 * Compares the block store with its peers, in one run, each in a process of its own:
 * `npm run bench [-- --json] [--size 1024 …]`. Prints blocks a second, CPU per block, the ratio
 * to ipfs-zfs, and the smallest physical bound.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { bounds, type Bounds } from './bounds.ts'
import type { Rows } from './contender.ts'
import { contenders, type ContenderName } from './contenders.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    size: { type: 'string', multiple: true, default: ['1024', '262144', '1048576'] }
  }
})
const names = Object.keys(contenders) as ContenderName[]
const execute = promisify(execFile)

async function measureAll(sizeBytes: number): Promise<Record<string, Rows>> {
  const results: Record<string, Rows> = {}
  for (const name of names) {
    const folder = mkdtempSync(join(tmpdir(), 'ipfs-zfs-bench-'))
    mkdirSync(folder, { recursive: true })
    try {
      const script = join(import.meta.dirname, 'contender.ts')
      const args = [script, name, String(sizeBytes), folder]
      const { stdout } = await execute(process.execPath, args, { maxBuffer: 1 << 20 })
      results[name] = JSON.parse(stdout) as Rows
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
  return results
}

function measureBounds(sizeBytes: number): Bounds {
  const folder = mkdtempSync(join(tmpdir(), 'ipfs-zfs-bench-'))
  try {
    return bounds(sizeBytes, folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function print(sizeBytes: number, results: Record<string, Rows>, bound: Bounds): void {
  const limits = Object.entries<number>({ ...bound }).map(
    ([what, us]) => `${what} ${us.toFixed(2)}`
  )
  console.log(`\n## ${sizeBytes.toLocaleString('en')}-byte blocks`)
  console.log(`Bounds, µs per block: ${limits.join(', ')}\n`)
  console.log('| | ' + names.join(' | ') + ' |\n|---|' + names.map(() => '---:|').join(''))
  const ours = results['ipfs-zfs'] ?? {}
  for (const row of Object.keys(ours)) {
    const cells = names.map(name => {
      const cell = results[name]?.[row]
      if (cell == null) return '–'
      const ratio = (ours[row]?.perSecond ?? 0) / cell.perSecond
      const rate = Math.round(cell.perSecond).toLocaleString('en')
      const cpu = `${cell.cpuMicrosecondsPerBlock.toFixed(1)} µs`
      return name === 'ipfs-zfs' ? `${rate}/s, ${cpu}` : `${rate}/s, ${cpu}, ×${ratio.toFixed(2)}`
    })
    console.log(`| ${row} | ${cells.join(' | ')} |`)
  }
}

const all: Record<string, { results: Record<string, Rows>; bounds: Bounds }> = {}
if (!values.json) {
  console.log(
    `${cpus().length} × ${cpus()[0]?.model ?? 'unknown processor'}, Node ${process.version}`
  )
  console.log('Blocks a second; CPU per block; × is how much faster ipfs-zfs is than that store.')
  console.log('Only "ipfs-zfs txg" waits for the disk; the others acknowledge before.')
}
for (const size of values.size.map(Number)) {
  const results = await measureAll(size)
  all[size] = { results, bounds: measureBounds(size) }
  if (!values.json) print(size, results, all[size].bounds)
}
if (values.json) console.log(JSON.stringify(all, null, 2))
