/** Runs commands under a real kernel with a real OpenZFS: scripts/kernel-lab.sh. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Test } from 'uvu'

export const ROOT = resolve(import.meta.dirname, '../..')
const SCRIPT = join(ROOT, 'scripts/kernel-lab.sh')

export interface LabRun {
  code: number | null
  stdout: string
  stderr: string
}

export interface LabOptions {
  /** What the command finds in $LAB_OUT, and leaves there. */
  out?: string
  timeoutSeconds?: number
}

/** Why this machine has no lab, or undefined: `npm run setup -- --tests` builds it where it can. */
export function whyNoLab(): string | undefined {
  const asked = spawnSync(join(ROOT, 'scripts/kernel-lab-build.sh'), ['--cached'])
  return asked.status === 0 ? undefined : String(asked.stderr).trim()
}

/** How a suite declares tests that need the lab: they are skipped, and why is said, without it. */
export function labTests(test: Test): (name: string, work: () => Promise<void>) => void {
  const without = whyNoLab()
  if (without != null) console.log(`skipped: ${without}`)
  return (name, work) => {
    if (without == null) test(name, work)
    else test.skip(name, work)
  }
}

/** What Node compiles in one boot, and the next finds: that is two of a program's three seconds. */
const COMPILED = join(ROOT, 'build/lab-compiled')
const keepCompiled =
  `mkdir /run/compiled; mount -t hostfs -o ${quote(COMPILED)} compiled /run/compiled 2>/dev/null; ` +
  'export NODE_COMPILE_CACHE=/run/compiled; '

export function startLab(command: string, options: LabOptions = {}): ChildProcess {
  const { out, timeoutSeconds = 600 } = options
  const args = ['--timeout', String(timeoutSeconds), ...(out == null ? [] : ['--out', out])]
  mkdirSync(COMPILED, { recursive: true })
  return spawn(SCRIPT, [...args, '--', keepCompiled + command], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe']
  })
}

export async function inLab(command: string, options: LabOptions = {}): Promise<LabRun> {
  const child = startLab(command, options)
  let [stdout, stderr] = ['', '']
  child.stdout?.on('data', (chunk: Buffer) => (stdout += String(chunk)))
  child.stderr?.on('data', (chunk: Buffer) => (stderr += String(chunk)))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}

/** A command line for Node in the lab, with the file's arguments quoted. */
export function nodeCommand(file: string, args: string[] = [], engine = 'kernel'): string {
  const quoted = [process.execPath, '--expose-gc', file, ...args].map(quote).join(' ')
  return `TMPDIR=/run/lab/out IPFS_ZFS_ENGINE=${engine} ${quoted}`
}

export function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

/** A folder on the host for $LAB_OUT, gone when the process ends. */
export function labFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'ipfs-zfs-lab-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}
