import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import * as assert from 'uvu/assert'

const main = join(import.meta.dirname, '../../src/cli/main.ts')
const timeoutMs = 120_000

export interface Ran {
  code: number | null
  signal: NodeJS.Signals | null
  out: Buffer
  stdout: string
  stderr: string
}

export interface RunOptions {
  input?: Uint8Array | string
  /** Standard input does not end. */
  holdInput?: boolean
  cwd?: string
  env?: Record<string, string>
  /** Sent when the command has run for so long. */
  signalAfter?: { signal: NodeJS.Signals; ms: number }
}

/** What the daemon says first with --json. */
export interface Ready {
  ready: true
  rpc: string
  gateway: string
  pid: number
  peerId: string
  addresses: string[]
}

export function spawnCommand(args: string[], options: RunOptions = {}): ChildProcess {
  return spawn(process.execPath, [main, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    ...(options.cwd != null && { cwd: options.cwd })
  })
}

export async function run(args: string[], options: RunOptions = {}): Promise<Ran> {
  const child = spawnCommand(args, options)
  const out: Buffer[] = []
  let stderr = ''
  child.stdout?.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  child.stdin?.on('error', () => {})
  if (options.holdInput === true) child.stdin?.write(options.input ?? '')
  else child.stdin?.end(options.input ?? '')
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
  const { signalAfter } = options
  const signalTimer =
    signalAfter && setTimeout(() => child.kill(signalAfter.signal), signalAfter.ms)
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  clearTimeout(timer)
  clearTimeout(signalTimer)
  return { code, signal, out: Buffer.concat(out), stdout: Buffer.concat(out).toString(), stderr }
}

/** A folder with a repo in it, and the command run on that repo. */
export class Bench {
  readonly folder: string
  readonly repo: string
  #daemon: ChildProcess | undefined

  private constructor(folder: string) {
    this.folder = folder
    this.repo = join(folder, 'repo')
  }

  static async make(initOptions: string[] | false = []): Promise<Bench> {
    const bench = new Bench(await mkdtemp(join(tmpdir(), 'cli-test-')))
    if (initOptions !== false) await bench.ok(['init', '--size', '1G', ...initOptions])
    return bench
  }

  path(...names: string[]): string {
    return join(this.folder, ...names)
  }

  run(args: string[], options: RunOptions = {}): Promise<Ran> {
    return run(['--repo', this.repo, ...args], { cwd: this.folder, ...options })
  }

  /** Standard output without its last line end. */
  async ok(args: string[], options: RunOptions = {}): Promise<string> {
    const { code, signal, stdout, stderr } = await this.run(args, options)
    assert.is(code ?? signal, 0, `ipfs-zfs ${args.join(' ')}\n${stderr}`)
    return stdout.replace(/\n$/, '')
  }

  async json<T>(args: string[], options: RunOptions = {}): Promise<T> {
    const lines = await this.lines<T>(args, options)
    assert.is(lines.length, 1, `one line of ipfs-zfs ${args.join(' ')}`)
    return lines[0] as T
  }

  async lines<T>(args: string[], options: RunOptions = {}): Promise<T[]> {
    const text = await this.ok(['--json', ...args], options)
    return text === '' ? [] : text.split('\n').map(line => JSON.parse(line) as T)
  }

  /** The code of a failure, after a look at its shape in both forms. */
  async fails(
    args: string[],
    options: RunOptions = {}
  ): Promise<{ code: string; message: string }> {
    const human = await this.run(args, options)
    assert.is(human.code, 1, `ipfs-zfs ${args.join(' ')}: ${human.stdout}${human.stderr}`)
    assert.match(human.stderr, /^ipfs-zfs: [^\n]+\n$/)
    const { code, stderr } = await this.run(['--json', ...args], options)
    assert.is(code, 1)
    const { error } = JSON.parse(stderr) as { error: { code: string; message: string } }
    assert.equal(Object.keys(error), ['code', 'message'])
    return error
  }

  async startDaemon(args: string[] = []): Promise<Ready> {
    const ports = ['--rpc', '127.0.0.1:0', '--gateway', '127.0.0.1:0']
    const child = spawnCommand(['--repo', this.repo, '--json', 'daemon', ...ports, ...args])
    this.#daemon = child
    let stderr = ''
    child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    for await (const line of createInterface({ input: child.stdout ?? process.stdin })) {
      return JSON.parse(line) as Ready
    }
    throw new Error(`the daemon ended: ${stderr}`)
  }

  /** Returns the exit code, or the signal that it died of. */
  async stopDaemon(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | NodeJS.Signals | null> {
    this.#daemon?.kill(signal)
    return await this.daemonEnd()
  }

  async daemonEnd(): Promise<number | NodeJS.Signals | null> {
    const child = this.#daemon
    this.#daemon = undefined
    if (child == null) return null
    if (child.exitCode == null && child.signalCode == null) await once(child, 'exit')
    return child.exitCode ?? child.signalCode
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopDaemon()
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** The command finds a daemon: cheap, as the repo is open already. */
export async function withDaemon(work: (bench: Bench) => Promise<void>): Promise<void> {
  await using bench = await Bench.make()
  await bench.startDaemon()
  await work(bench)
}

/** Twice: the command opens the repo itself, and it finds a daemon. */
export async function bothWays(work: (bench: Bench) => Promise<void>): Promise<void> {
  {
    await using bench = await Bench.make()
    await work(bench)
  }
  await withDaemon(work)
}
