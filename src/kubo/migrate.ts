import type { Door } from './door.ts'
import { runProgram } from './run.ts'

export interface MigrateProgress {
  phase: 'copy blocks' | 'copy records' | 'verify blocks' | 'verify records' | 'done'
  done: number
  bytes: number
}

export interface MigrateOptions {
  /** The program of native/kubo/cmd/migrate. */
  program: string
  path: string
  door: Door
  onProgress?: (progress: MigrateProgress) => void
  signal?: AbortSignal
}

/**
 * Moves the blocks and pins of a stopped Kubo's repo behind the door and points its config there.
 * What is copied already is not copied again, so it can be stopped and run again at any moment;
 * the repo is used as it was until everything has been read back and compared.
 */
export async function migrateKubo(options: MigrateOptions): Promise<MigrateProgress> {
  const { program, path, door, onProgress, signal } = options
  const args = ['-repo', path, '-address', door.address]
  if (door.tokenFile != null) {
    args.push('-token-file', door.tokenFile)
  }
  if (door.caFile != null) {
    args.push('-ca-file', door.caFile)
  }
  let last: MigrateProgress = { phase: 'done', done: 0, bytes: 0 }
  await runProgram(program, args, {
    env: {},
    onLine: line => {
      last = JSON.parse(line) as MigrateProgress
      onProgress?.(last)
    },
    ...(signal != null && { signal })
  })
  return last
}
