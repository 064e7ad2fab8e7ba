import { CommanderError } from 'commander'

/** The command line makes no sense: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly code = 'ERR_USAGE'
}

/** A signal ended the command; nothing is printed. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
  readonly code = 'ERR_INTERRUPTED'
  readonly exitCode: number

  constructor(exitCode: number) {
    super('interrupted')
    this.exitCode = exitCode
  }
}

/** Whoever read our standard output went away (`| head`). */
export class BrokenPipe extends Error {
  override readonly name = 'BrokenPipe'
  readonly code = 'EPIPE'
}

export interface Failure {
  exitCode: number
  code: string
  /** One line; absent when there is nothing to say. */
  message?: string
}

export function failureOf(error: unknown, signal: AbortSignal): Failure {
  if (signal.aborted) return failureOfReason(signal.reason)
  if (error instanceof CommanderError) return failureOfCommander(error)
  if (error instanceof UsageError) return { exitCode: 2, code: error.code, message: error.message }
  if (error instanceof Interrupted || error instanceof BrokenPipe) return failureOfReason(error)
  if (!(error instanceof Error)) return { exitCode: 1, code: 'ERR_UNKNOWN', message: String(error) }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : 'ERR_UNKNOWN'
  if (code === 'EPIPE') return failureOfReason(new BrokenPipe())
  const message = systemMessage(error) ?? error.message.replace(', or `create: true`', '')
  return { exitCode: 1, code, message: oneLine(message) }
}

function failureOfReason(reason: unknown): Failure {
  if (reason instanceof BrokenPipe) return { exitCode: 141, code: reason.code }
  if (reason instanceof Interrupted) return { exitCode: reason.exitCode, code: reason.code }
  return { exitCode: 130, code: 'ERR_INTERRUPTED' }
}

function failureOfCommander(error: CommanderError): Failure {
  const asked = ['commander.helpDisplayed', 'commander.version'].includes(error.code)
  if (asked) return { exitCode: 0, code: error.code }
  if (error.code === 'commander.help') return { exitCode: 2, code: 'ERR_USAGE' }
  const message = oneLine(error.message.replace(/^error: /, '')).replace(/\.$/, '')
  return { exitCode: 2, code: 'ERR_USAGE', message: `${message}; see ipfs-zfs --help` }
}

const systemMessages: Record<string, string> = {
  ENOENT: 'no such file or folder',
  EACCES: 'no permission',
  EPERM: 'no permission',
  EISDIR: 'a file was expected, and this is a folder',
  ENOTDIR: 'a folder was expected, and this is not one',
  ENOSPC: 'no space left on the device',
  EROFS: 'the file system is read-only',
  EEXIST: 'there is a file of this name already',
  ENAMETOOLONG: 'the name is too long for this file system'
}

/** `ENOENT: no such file or directory, open 'x'` in the words of a person. */
function systemMessage(error: Error): string | undefined {
  if (!('code' in error) || !('path' in error) || !('syscall' in error)) return undefined
  const known = systemMessages[String(error.code)]
  return known == null ? undefined : `${String(error.path)}: ${known}`
}

function oneLine(message: string): string {
  return message.replace(/\s*\n\s*/g, ' ').trim()
}
