import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, glob, mkdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { KuboBuildError } from './errors.ts'

/** The Go programs of native/kubo: Kubo with our datastore in it, and what moves a repo to it. */
export type Program = 'ipfs' | 'migrate'

export interface BuildOptions {
  /** Told before it takes long. */
  onBuild?: () => void
  signal?: AbortSignal
}

const SOURCES = fileURLToPath(new URL('../../native/kubo/', import.meta.url))
const LOCK_MS = 30 * 60_000
const FLAGS = ['-trimpath', '-ldflags=-s -w']

const run = promisify(execFile)

/**
 * The path of a program, built unless the cache has one of the same sources, compiler and flags.
 * The first build takes minutes: it compiles all of Kubo.
 */
export async function buildProgram(program: Program, options: BuildOptions = {}): Promise<string> {
  const folder = join(cacheFolder(), await cacheKey())
  const path = join(folder, program)
  if (await exists(path)) {
    return path
  }
  options.onBuild?.()
  await mkdir(folder, { recursive: true })
  const unlock = await lock(`${path}.lock`, options.signal)
  const unfinished = `${path}.${process.pid}`
  try {
    if (!(await exists(path))) {
      await goBuild(program, unfinished, options.signal)
      await rename(unfinished, path)
    }
  } finally {
    await rm(unfinished, { force: true })
    await unlock()
  }
  return path
}

/** Two builds at once would both compile everything. One that was killed holds it half an hour. */
async function lock(path: string, signal?: AbortSignal): Promise<() => Promise<void>> {
  for (;;) {
    try {
      await mkdir(path)
      return async () => rm(path, { recursive: true, force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        throw error
      }
    }
    const made = await stat(path).catch(() => undefined)
    if (made != null && Date.now() - made.mtimeMs > LOCK_MS) {
      await rm(path, { recursive: true, force: true })
    }
    await setTimeout(500, undefined, { signal })
  }
}

function cacheFolder(): string {
  const { XDG_CACHE_HOME: cache } = process.env
  return join(cache != null && cache !== '' ? cache : join(homedir(), '.cache'), 'ipfs-zfs', 'kubo')
}

async function cacheKey(): Promise<string> {
  const hash = createHash('sha256')
  const [version, env] = [
    await go(['version']),
    await go(['env', 'GOARCH', 'GOAMD64', 'CGO_ENABLED'])
  ]
  hash.update(JSON.stringify([version, env, FLAGS]))
  const files: string[] = []
  for await (const file of glob('{go.mod,go.sum,**/*.go,**/*.json}', { cwd: SOURCES })) {
    if (!file.endsWith('_test.go')) files.push(file)
  }
  for (const file of files.sort()) {
    hash.update(JSON.stringify([file, await readFile(join(SOURCES, file), 'utf8')]))
  }
  return hash.digest('hex').slice(0, 16)
}

async function go(args: string[]): Promise<string> {
  try {
    return (await run('go', args, { cwd: SOURCES })).stdout
  } catch (error) {
    const why =
      (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'it was not found' : String(error)
    throw new KuboBuildError(
      `building Kubo needs Go, of the version that native/kubo/go.mod names or newer: ${why}`
    )
  }
}

async function goBuild(program: Program, output: string, signal?: AbortSignal): Promise<void> {
  const args = ['build', ...FLAGS, '-o', output, `./cmd/${program}`]
  const child = spawn('go', args, {
    cwd: SOURCES,
    stdio: ['ignore', 'ignore', 'pipe'],
    ...(signal != null && { signal })
  })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4096)))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  if (code !== 0) {
    throw new KuboBuildError(`go build ended with ${code}: ${said.trim()}`)
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false
  )
}
