import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Bench } from './harness.ts'

const main = join(import.meta.dirname, '../../src/cli/main.ts')
const test = suite('terminal')

/** Runs the command on a pseudo-terminal of `script`, which merges both outputs. */
async function onTerminal(bench: Bench, args: string[]): Promise<{ code: number; text: string }> {
  const line = [process.execPath, main, '--repo', bench.repo, ...args].map(quoted).join(' ')
  const child = spawn('script', ['-qec', `stty cols 100; ${line}`, '/dev/null'], {
    cwd: bench.folder,
    stdio: ['ignore', 'pipe', 'inherit']
  })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number]
  return { code, text }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

/** What the screen shows in the end. */
function screen(text: string): string[] {
  const lines = text.split('\n').map(line => {
    const kept = line.split('\r').filter(part => part !== '')
    return (kept.at(-1) ?? '').replace(/\u001b\[(?:K|\?25[lh])/g, '')
  })
  return lines.filter(line => line !== '')
}

test('a bar while it works, and nothing of it afterwards', async () => {
  await using bench = await Bench.make()
  await writeFile(bench.path('big'), '')
  await truncate(bench.path('big'), 100_000_000)
  const { code, text } = await onTerminal(bench, ['add', 'big'])
  assert.is(code, 0)
  assert.match(text, /adding \[█*░*\] +\d+% +\d.* of 95.4 MiB/)
  assert.match(text, /iB\/s/)
  assert.ok(text.includes('\u001b[?25h'), 'the cursor is shown again')
  assert.match(screen(text).join('\n'), /^added baf\w+ big$/)

  const cid = await bench.ok(['add', '-Q', 'big'])
  const got = await onTerminal(bench, ['get', cid, '-o', 'back'])
  assert.match(got.text, /getting \[/)
  assert.match(screen(got.text).join('\n'), /^saved .*back \(1 file, 95.4 MiB\)$/)
})

test('no bar with --quiet, with --json, or in a pipe', async () => {
  await using bench = await Bench.make()
  await writeFile(bench.path('f'), Buffer.alloc(5_000_000, 1))
  for (const args of [
    ['add', '-q', 'f'],
    ['--json', 'add', 'f']
  ]) {
    assert.not.match((await onTerminal(bench, args)).text, /adding/)
  }
  assert.is((await bench.run(['add', 'f'])).stderr, '')
})

test('a CAR is not written to a terminal', async () => {
  await using bench = await Bench.make()
  const cid = await bench.ok(['add', '-Q', '-'], { input: 'x' })
  const { code, text } = await onTerminal(bench, ['export', cid])
  assert.is(code, 2)
  assert.match(text, /-o FILE/)
})

test.run()
