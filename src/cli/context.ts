import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { BrokenPipe, Interrupted } from './failures.ts'
import { Output } from './output.ts'
import { ENGINE_VARIABLE } from '../repo/engine.ts'

/** What every command gets: where the repo is, how to speak, and when to stop. */
export interface Context {
  /** The repo's folder, absolute. */
  readonly repo: string
  readonly out: Output
  /** Aborts on SIGINT, SIGTERM, and when nobody reads standard output any more. */
  readonly signal: AbortSignal
}

export interface GlobalOptions {
  repo?: string
  engine?: string
  json?: boolean
}

/** `--repo`, else IPFS_ZFS_PATH, else ~/.ipfs-zfs. */
export function repoPath(options: GlobalOptions): string {
  const fromEnvironment = process.env['IPFS_ZFS_PATH']
  if (options.repo != null) return resolve(options.repo)
  if (fromEnvironment != null && fromEnvironment !== '') return resolve(fromEnvironment)
  return join(homedir(), '.ipfs-zfs')
}

export function createContext(options: GlobalOptions, signal: AbortSignal): Context {
  // So for everything that this command opens and starts.
  if (options.engine != null) process.env[ENGINE_VARIABLE] = options.engine
  return { repo: repoPath(options), out: new Output(options.json === true), signal }
}

/** The first signal asks the command to stop; the second ends the process. */
export function stopSignal(): AbortSignal {
  const controller = new AbortController()
  for (const [name, exitCode] of [
    ['SIGINT', 130],
    ['SIGTERM', 143]
  ] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(exitCode)
      controller.abort(new Interrupted(exitCode))
    })
  }
  process.stdout.on('error', () => controller.abort(new BrokenPipe()))
  process.stderr.on('error', () => {})
  return controller.signal
}
