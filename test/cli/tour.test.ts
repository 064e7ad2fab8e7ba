import { spawn } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

interface Step {
  command: string
  expected: string[]
}

const tour = new URL('../../docs/tour.md', import.meta.url)
const main = join(import.meta.dirname, '../../src/cli/main.ts')
/** Between the outputs of two commands. */
const mark = '@@@'

/** The commands of all console blocks, and what they print. */
function stepsOf(text: string): Step[] {
  const steps: Step[] = []
  for (const [, block = ''] of text.matchAll(/^```console\n(.*?)^```$/gms)) {
    for (const line of block.trimEnd().split('\n')) {
      if (line.startsWith('$ ')) steps.push({ command: line.slice(2), expected: [] })
      else steps.at(-1)?.expected.push(line)
    }
  }
  return steps
}

/** The daemon's terminal is another one: here it goes to the background, until it is ready. */
function shellLine({ command }: Step): string {
  if (!command.startsWith('ipfs-zfs daemon')) return command
  return `${command} > daemon.log 2>&1 &
    for try in $(seq 1800); do grep -q ^ready daemon.log && break; sleep 0.1; done; cat daemon.log`
}

function run(script: string, cwd: string, path: string): Promise<string> {
  const env = { ...process.env, PATH: `${path}:${process.env['PATH']}` }
  const child = spawn('bash', ['-c', script], {
    cwd,
    env: { ...env, IPFS_ZFS_PATH: join(cwd, 'repo') },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  let out = ''
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  return new Promise(resolve => child.once('close', () => resolve(out)))
}

/** `…` alone on a line is any lines, within a line anything. */
function patternOf(expected: string[]): RegExp {
  const lines = expected.map(line =>
    line === '…' ? '(?:.*\n)*?' : `${line.split('…').map(escaped).join('.*')}\n`
  )
  return new RegExp(`^${lines.join('')}$`)
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

test('docs/tour.md does what it says', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tour-'))
  try {
    const [rpc, gateway] = [await freePort(), await freePort()]
    const text = (await readFile(tour, 'utf8'))
      .replace(/^(\$ ipfs-zfs daemon)/m, '$1 --rpc 127.0.0.1:5001 --gateway 127.0.0.1:8080')
      .replaceAll('127.0.0.1:5001', `127.0.0.1:${rpc}`)
      .replaceAll('127.0.0.1:8080', `127.0.0.1:${gateway}`)
    const shim = join(folder, 'ipfs-zfs')
    await writeFile(shim, `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`)
    await chmod(shim, 0o755)
    const steps = stepsOf(text)
    assert.ok(steps.length > 20)
    const script = steps.map(step => `${shellLine(step)}\necho '${mark}'`).join('\n')
    const outputs = (await run(`exec 2>&1\n${script}\nwait`, folder, folder)).split(`${mark}\n`)
    for (const [at, { command, expected }] of steps.entries()) {
      const output = outputs[at] ?? ''
      assert.match(output, patternOf(expected), `${command}\n${output}`)
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test.run()
