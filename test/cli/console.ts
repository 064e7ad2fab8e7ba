/** Runs the `console` blocks of a guide and compares what they print with what stands there. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
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

export interface FollowOptions {
  env?: Record<string, string>
  /** After so long the shell and all that it started are ended. Default: 10 minutes. */
  limitMs?: number
}

/**
 * Runs them in one shell in a folder, with `ipfs-zfs` this one. What the shell has started and left
 * running has ended when this does.
 */
export async function follow(
  steps: Step[],
  folder: string,
  { env = {}, limitMs = 600_000 }: FollowOptions = {}
): Promise<void> {
  const shim = join(folder, 'ipfs-zfs')
  await writeFile(shim, `#!/bin/sh\nexec '${process.execPath}' --no-warnings '${main}' "$@"\n`)
  await chmod(shim, 0o755)
  const script = steps.map(({ command }) => `${command}\necho '${mark}'`).join('\n')
  const printed = await run(`exec 2>&1\n${script}`, folder, env, limitMs)
  const outputs = printed.split(`${mark}\n`)
  for (const [at, { command, expected }] of steps.entries()) {
    const output = outputs[at] ?? ''
    assert.match(output, patternOf(expected), `${command}\n${output}`)
    assert.ok(at + 1 < outputs.length, `it did not end:\n${command}\n${output}`)
  }
}

async function run(
  script: string,
  cwd: string,
  env: Record<string, string>,
  limitMs: number
): Promise<string> {
  const child = spawn('bash', ['-c', script], {
    cwd,
    env: { ...process.env, PATH: `${cwd}:${process.env['PATH']}`, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
    // the leader of a process group, which all that it starts is in
    detached: true
  })
  const group = child.pid
  if (group == null) throw new Error('bash could not be started')
  const orphaned = () => void signalGroup(group, 'SIGKILL')
  process.once('exit', orphaned)
  let out = ''
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  const limit = setTimeout(() => signalGroup(group, 'SIGTERM'), limitMs)
  const closed = once(child, 'close')
  await once(child, 'exit')
  clearTimeout(limit)
  await endGroup(group)
  // nobody is left who could write
  await closed
  process.off('exit', orphaned)
  return out
}

/** Asks what is left of a process group to end, and after half a minute makes it. */
async function endGroup(group: number): Promise<void> {
  signalGroup(group, 'SIGTERM')
  for (let left = 600; left > 0 && signalGroup(group, 0); left--) await sleep(50)
  signalGroup(group, 'SIGKILL')
}

/** False: there is no such process any more. */
function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-group, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
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
