import { failureOf } from './failures.ts'
import { stopSignal } from './context.ts'
import { createProgram } from './program.ts'

/** Runs one command line and returns the exit code. */
export async function run(argv: string[]): Promise<number> {
  const signal = stopSignal()
  process.on('uncaughtException', error => process.exit(report(error, signal, wantsJson(argv))))
  try {
    await createProgram(signal).parseAsync(argv)
    return 0
  } catch (error) {
    return report(error, signal, wantsJson(argv))
  } finally {
    // One that was not read to its end would keep the process.
    process.stdin.destroy()
  }
}

function report(error: unknown, signal: AbortSignal, json: boolean): number {
  const { exitCode, code, message } = failureOf(error, signal)
  if (message == null) return exitCode
  const text = json ? JSON.stringify({ error: { code, message } }) : `ipfs-zfs: ${message}`
  process.stderr.write(text + '\n')
  if (process.env['IPFS_ZFS_DEBUG'] != null && error instanceof Error) console.error(error)
  return exitCode
}

/** Also when the command line could not be parsed. */
function wantsJson(argv: string[]): boolean {
  const end = argv.indexOf('--')
  return argv.slice(2, end === -1 ? undefined : end).includes('--json')
}
