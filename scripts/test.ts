/**
 * Runs every test: each `test/**\/*.test.ts` in a process of its own (one libzpool a process, and
 * a crash takes one file with it), then the native ones under the sanitizers.
 * Closes with `N passed, N failed, N skipped`.
 *
 *   node scripts/test.ts [--no-native] [part of a path …]
 */
import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { stripVTControlCharacters } from 'node:util'

interface Outcome {
  name: string
  passed: number
  failed: number
  skipped: number
  seconds: number
  output: string
}

interface Job {
  name: string
  command: string
  args: string[]
  timeout_ms: number
}

const FILE_TIMEOUT_MS = 15 * 60_000
/** The native tests are all built first, with the sanitizers. */
const NATIVE_TIMEOUT_MS = 45 * 60_000

function run({ name, command, args, timeout_ms }: Job): Promise<Outcome> {
  const started = performance.now()
  return new Promise(resolve => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    const timer = setTimeout(() => child.kill('SIGKILL'), timeout_ms)
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      const seconds = (performance.now() - started) / 1000
      resolve({ name, seconds, output, ...count(stripVTControlCharacters(output), code, signal) })
    })
  })
}

/** A file that ends badly, or that ran nothing, counts as one failure more. */
function count(output: string, code: number | null, signal: string | null) {
  const total = sum(output, /^\s*Total:\s+(\d+)/gm) + sum(output, /^(\d+) passed, \d+ failed/gm)
  const native = sum(output, /^\d+ passed, (\d+) failed/gm)
  const passed = sum(output, /^\s*Passed:\s+(\d+)/gm) + sum(output, /^(\d+) passed, \d+ failed/gm)
  const skipped = sum(output, /^\s*Skipped:\s+(\d+)/gm)
  const failed = native + Math.max(0, total - passed)
  const bad = code !== 0 || signal != null || total + native === 0
  return { passed, skipped, failed: bad ? Math.max(failed, 1) : failed }
}

function sum(text: string, pattern: RegExp): number {
  return [...text.matchAll(pattern)].reduce((all, match) => all + Number(match[1]), 0)
}

async function main(): Promise<void> {
  const args = process.argv.slice(2)
  const parts = args.filter(arg => !arg.startsWith('--'))
  const chosen = (name: string): boolean =>
    parts.length === 0 || parts.some(part => name.includes(part))
  const jobs: Job[] = globSync('test/**/*.test.ts')
    .sort()
    .filter(chosen)
    .map(file => ({
      name: file,
      command: process.execPath,
      args: ['--expose-gc', file],
      timeout_ms: FILE_TIMEOUT_MS
    }))
  if (!args.includes('--no-native') && chosen('test/native')) {
    const command = 'test/native/run.sh'
    // First, since it takes longest.
    jobs.unshift({ name: 'test/native', command, args: [], timeout_ms: NATIVE_TIMEOUT_MS })
  }

  const outcomes: Outcome[] = []
  const worker = async (): Promise<void> => {
    for (let job = jobs.shift(); job != null; job = jobs.shift()) {
      const outcome = await run(job)
      outcomes.push(outcome)
      report(outcome)
    }
  }
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, worker))

  const all = (field: 'passed' | 'failed' | 'skipped'): number =>
    outcomes.reduce((total, outcome) => total + outcome[field], 0)
  console.log(`\n${all('passed')} passed, ${all('failed')} failed, ${all('skipped')} skipped`)
  process.exitCode = all('failed') > 0 || all('passed') === 0 ? 1 : 0
}

function report({ name, passed, failed, skipped, seconds, output }: Outcome): void {
  const counts = `${passed} passed${skipped > 0 ? `, ${skipped} skipped` : ''}`
  const verdict = failed > 0 ? `FAILED ${failed}` : 'ok'
  console.log(`${verdict.padEnd(10)} ${name} (${counts}, ${seconds.toFixed(1)} s)`)
  // What a skipped test says of its reason is in its output too.
  if (failed > 0 || skipped > 0) console.log(output.replace(/^/gm, '    | '))
}

await main()
