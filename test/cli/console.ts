/** Runs the `console` blocks of a guide and compares what they print with what stands there. */
import { spawn } from 'node:child_process'
import { chmod, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import * as assert from 'uvu/assert'

export interface Step {
  command: string
  expected: string[]
}

const main = join(import.meta.dirname, '../../src/cli/main.ts')
/** Between the outputs of two commands. */
const mark = '@@@'

/** The commands of all console blocks, and what they print. `> ` goes on with a command. */
export function stepsOf(text: string): Step[] {
  const steps: Step[] = []
  for (const [, block = ''] of text.matchAll(/^```console\n(.*?)^```$/gms)) {
    for (const line of block.replace(/\n$/, '').split('\n')) {
      const last = steps.at(-1)
      if (line.startsWith('$ ')) steps.push({ command: line.slice(2), expected: [] })
      else if (line.startsWith('> ') && last != null) last.command += `\n${line.slice(2)}`
      else last?.expected.push(line)
    }
  }
  return steps
}

/**
 * Runs them in one shell in a folder, with `ipfs-zfs` this one.
 * @param end what the shell does after the last of them
 */
export async function follow(
  steps: Step[],
  folder: string,
  env: Record<string, string>,
  end: string
): Promise<void> {
  const shim = join(folder, 'ipfs-zfs')
  await writeFile(shim, `#!/bin/sh\nexec '${process.execPath}' --no-warnings '${main}' "$@"\n`)
  await chmod(shim, 0o755)
  const script = steps.map(({ command }) => `${command}\necho '${mark}'`).join('\n')
  const outputs = (await run(`exec 2>&1\n${script}\n${end}`, folder, env)).split(`${mark}\n`)
  for (const [at, { command, expected }] of steps.entries()) {
    const output = outputs[at] ?? ''
    assert.match(output, patternOf(expected), `${command}\n${output}`)
  }
}

function run(script: string, cwd: string, env: Record<string, string>): Promise<string> {
  const child = spawn('bash', ['-c', script], {
    cwd,
    env: { ...process.env, PATH: `${cwd}:${process.env['PATH']}`, ...env },
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

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}
