import type { Failure } from './records-wire.ts'

/** Primary result codes of SQLite (https://sqlite.org/rescode.html) in our terms. */
const CODES = new Map<number, string>([
  [5, 'ERR_POOL_IN_USE'],
  [8, 'ERR_NOT_WRITABLE'],
  [10, 'ERR_IO'],
  [11, 'ERR_CORRUPT'],
  [13, 'ERR_NO_SPACE'],
  [14, 'ERR_IO'],
  [18, 'ERR_TOO_LARGE'],
  [26, 'ERR_CORRUPT']
])
/** An I/O error because ZFS could not repair a record. */
const IOERR_CORRUPTFS = 10 | (33 << 8)

const HINTS = new Map<string, string>([
  ['ERR_NOT_WRITABLE', 'the dataset has become read-only: run `zfs set readonly=off` for it'],
  ['ERR_NO_SPACE', 'the pool is full: delete blocks or records, then try again'],
  ['ERR_CORRUPT', 'the records are damaged: roll back to a snapshot'],
  ['ERR_POOL_IN_USE', 'the records are open elsewhere in this process: close that repo first']
])

/** What crosses to the main thread for an error of node:sqlite. */
export function failureOf(error: unknown): Failure {
  const { errcode, errstr } = error as { errcode?: unknown; errstr?: unknown }
  const text = error instanceof Error ? error.message : String(error)
  if (typeof errcode !== 'number') {
    return { code: 'ERR_IO', message: `keyed records: ${text}` }
  }
  const code = errcode === IOERR_CORRUPTFS ? 'ERR_CORRUPT' : (CODES.get(errcode & 0xff) ?? 'ERR_IO')
  const hint = HINTS.get(code)
  const reason = text === errstr ? text : `${text} (${String(errstr)})`
  return { code, message: `keyed records: ${reason}${hint == null ? '' : `; ${hint}`}` }
}
