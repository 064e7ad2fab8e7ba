import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

/** Why the tests of this folder cannot run here; undefined: they can. */
export function missing(): string | undefined {
  return spawnSync('go', ['version']).status === 0 ? undefined : 'Go is not installed'
}

export interface Output {
  code: number | null
  stdout: string
  stderr: string
}

export async function run(
  program: string,
  args: string[],
  env: Record<string, string> = {},
  input?: Uint8Array
): Promise<Output> {
  const child = spawn(program, args, { env: { ...process.env, ...env } })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString('latin1')))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}

export async function passed(what: string, output: Promise<Output>): Promise<string> {
  const { code, stdout, stderr } = await output
  if (code !== 0) {
    throw new Error(`${what} ended with ${code}: ${stderr}${stdout}`)
  }
  return stdout.trim()
}

/** The repo of a test, its daemon as a process of its own, and Kubos beside it. */
export class Rig {
  readonly folder: string
  readonly repo: string
  #daemon: ChildProcess | undefined
  readonly #kubos: Kubo[] = []

  private constructor(folder: string) {
    this.folder = folder
    this.repo = join(folder, 'zfs')
  }

  static async create(size = '4G'): Promise<Rig> {
    const rig = new Rig(await mkdtemp(join(tmpdir(), 'kubo-')))
    await rig.cli('init', '--size', size)
    return rig
  }

  /** A command of ipfs-zfs that must succeed. */
  async cli(...args: string[]): Promise<string> {
    return this.cliWith({}, ...args)
  }

  async cliWith(env: Record<string, string>, ...args: string[]): Promise<string> {
    return passed(`ipfs-zfs ${args.join(' ')}`, this.tryCli(env, ...args))
  }

  async tryCli(env: Record<string, string>, ...args: string[]): Promise<Output> {
    const all = ['--no-warnings', MAIN, '--repo', this.repo, '--json', ...args]
    return run(process.execPath, all, env)
  }

  /** Starts the daemon and gives its ready line. */
  async start(...options: string[]): Promise<Record<string, unknown>> {
    const free = [
      '--rpc',
      '127.0.0.1:0',
      '--gateway',
      '127.0.0.1:0',
      '--offline',
      '--log-level',
      'error'
    ]
    const args = [
      '--no-warnings',
      MAIN,
      '--repo',
      this.repo,
      '--json',
      'daemon',
      ...free,
      ...options
    ]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#daemon = child
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
    return firstLine(
      child,
      line => JSON.parse(line) as Record<string, unknown>,
      () => said
    )
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#daemon
    this.#daemon = undefined
    if (child != null && child.exitCode == null && child.signalCode == null) {
      child.kill(signal)
      await once(child, 'close')
    }
  }

  /** A Kubo repo made by `ipfs-zfs kubo init`. */
  async kubo(ipfs: string, name = 'ipfs', ...options: string[]): Promise<Kubo> {
    const path = join(this.folder, name)
    const args = ['kubo', 'init', '--ipfs', ipfs, '--profile', 'test', ...options]
    await this.cliWith({ IPFS_PATH: path }, ...args)
    const kubo = new Kubo(ipfs, path)
    this.#kubos.push(kubo)
    return kubo
  }

  async remove(): Promise<void> {
    for (const kubo of this.#kubos) await kubo.stop()
    await this.stop()
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** A Kubo on one repo, with or without its daemon. */
export class Kubo {
  readonly path: string
  /** What its daemons have said on standard error. */
  said = ''
  readonly #ipfs: string
  #daemon: ChildProcess | undefined

  constructor(ipfs: string, path: string) {
    this.#ipfs = ipfs
    this.path = path
  }

  async try(args: string[], input?: Uint8Array, ipfs = this.#ipfs): Promise<Output> {
    return run(ipfs, args, { IPFS_PATH: this.path }, input)
  }

  async run(...args: string[]): Promise<string> {
    return passed(`ipfs ${args.join(' ')}`, this.try(args))
  }

  /** What follows on standard input is added; gives the CID. */
  async add(bytes: Uint8Array, ...options: string[]): Promise<string> {
    return passed('ipfs add', this.try(['add', '-Q', ...options], bytes))
  }

  /** SHA-256 of what `ipfs cat` gives. */
  async catHash(cid: string): Promise<string> {
    const { code, stdout, stderr } = await this.try(['cat', cid])
    if (code !== 0) throw new Error(`ipfs cat ${cid}: ${stderr}`)
    return createHash('sha256').update(Buffer.from(stdout, 'latin1')).digest('hex')
  }

  /** A DAG as a CAR file, of any size. */
  async exportTo(file: string, root: string): Promise<void> {
    const into = await open(file, 'w')
    try {
      const child = spawn(this.#ipfs, ['dag', 'export', root], {
        env: { ...process.env, IPFS_PATH: this.path },
        stdio: ['ignore', into.fd, 'inherit']
      })
      const [code] = (await once(child, 'close')) as [number | null]
      if (code !== 0) throw new Error(`ipfs dag export ended with ${code}`)
    } finally {
      await into.close()
    }
  }

  async start(...options: string[]): Promise<void> {
    const env = { ...process.env, IPFS_PATH: this.path }
    const child = spawn(this.#ipfs, ['daemon', ...options], { env })
    this.#daemon = child
    child.stderr.on('data', (chunk: Buffer) => (this.said += chunk.toString()))
    const ready = (line: string): true | undefined =>
      line.includes('Daemon is ready') ? true : undefined
    await firstLine(child, ready, () => this.said)
    child.stdout.resume()
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#daemon
    this.#daemon = undefined
    if (child != null && child.exitCode == null && child.signalCode == null) {
      child.kill(signal)
      await once(child, 'close')
    }
    if (signal === 'SIGKILL') {
      await rm(join(this.path, 'api'), { force: true })
    }
  }

  async config(): Promise<Record<string, unknown>> {
    return JSON.parse(await readFile(join(this.path, 'config'), 'utf8')) as Record<string, unknown>
  }
}

/** The first line that `take` takes. */
export async function firstLine<T>(
  child: ChildProcess,
  take: (line: string) => T | undefined,
  said: () => string
): Promise<T> {
  if (child.stdout == null) throw new Error('there is no pipe')
  const lines = createInterface({ input: child.stdout })
  return new Promise((resolve, reject) => {
    child.on('close', code => reject(new Error(`it ended with ${code}: ${said()}`)))
    child.on('error', reject)
    lines.on('line', line => {
      const taken = take(line)
      if (taken !== undefined) resolve(taken)
    })
  })
}

export function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

export function noise(bytes: number): Buffer {
  return randomBytes(bytes)
}

export async function pause(ms: number): Promise<void> {
  await sleep(ms)
}
