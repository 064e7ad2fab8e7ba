import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { packAnswers } from './records-wire.ts'
import type { PackedPage, PageRequest, RecordAnswer, RecordOp } from './records-wire.ts'

/**
 * Pages of 16 KiB in a file of 16 KiB ZFS records: a page is written without reading first, and
 * lz4 can give space back, which it cannot with 4 KiB on 4 KiB sectors. (The VFS makes the files.)
 *
 * `synchronous=OFF` is safe on ZFS and only there: each write of the VFS is a DMU transaction, and
 * later ones are never on disk without earlier ones. So what a crash leaves is always the files as
 * they were at one moment, the same that a killed process leaves on an ordinary file system, which
 * SQLite's log is made to recover from. What makes records durable is not SQLite but the sync of
 * the pool that the datastore waits for, once for all who wait.
 *
 * The log is kept at 2 MiB (128 pages): a checkpoint costs no sync here, and on a full pool its
 * pages must find room in the reserve (src/repo/reserve.ts).
 *
 * `locking_mode=EXCLUSIVE` comes before WAL: the log's index is then in memory, not shared.
 */
const PRAGMAS = `
  PRAGMA locking_mode = EXCLUSIVE;
  PRAGMA page_size = 16384;
  PRAGMA auto_vacuum = INCREMENTAL;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = OFF;
  PRAGMA temp_store = MEMORY;
  PRAGMA cache_size = -16384;
  PRAGMA wal_autocheckpoint = 128;
  PRAGMA journal_size_limit = 2097152;
`

/** Opens (or makes) a database file through the VFS of the addon. */
export function openDatabase(uri: string): DatabaseSync {
  const db = new DatabaseSync(uri)
  try {
    db.exec(PRAGMAS)
    const mode = db.prepare('PRAGMA journal_mode').get()
    if (mode?.['journal_mode'] !== 'wal') {
      throw new Error(`${uri}: expected journal mode wal, got ${String(mode?.['journal_mode'])}`)
    }
  } catch (error) {
    db.close()
    throw error
  }
  return db
}

/**
 * One table ordered by key, so that a prefix is one range of it. The number of records is kept
 * beside it in the same transactions: counting them would read the whole table.
 */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS records (
    key BLOB NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS totals (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    records INTEGER NOT NULL
  );
  INSERT OR IGNORE INTO totals VALUES (1, 0);
`

/** Keyed records in SQLite. Not thread-safe, synchronous: it lives in the records worker. */
export class RecordsDb {
  readonly #db: DatabaseSync
  readonly #get: StatementSync
  readonly #has: StatementSync
  readonly #insert: StatementSync
  readonly #update: StatementSync
  readonly #delete: StatementSync
  readonly #addToTotal: StatementSync
  readonly #pages = new Map<string, StatementSync>()
  #records: number

  constructor(uri: string) {
    this.#db = openDatabase(uri)
    this.#db.exec(SCHEMA)
    this.#get = this.#db.prepare('SELECT value FROM records WHERE key = ?')
    this.#has = this.#db.prepare('SELECT 1 FROM records WHERE key = ?')
    this.#insert = this.#db.prepare('INSERT OR IGNORE INTO records VALUES (?, ?)')
    this.#update = this.#db.prepare('UPDATE records SET value = ?2 WHERE key = ?1')
    this.#delete = this.#db.prepare('DELETE FROM records WHERE key = ?')
    this.#addToTotal = this.#db.prepare('UPDATE totals SET records = records + ?')
    this.#records = this.#readTotal()
  }

  /** How many records there are; exact. */
  get count(): number {
    return this.#records
  }

  /** Each unbroken row of changes is one transaction: all of it or, when one fails, none. */
  run(ops: RecordOp[]): RecordAnswer[] {
    const answers: RecordAnswer[] = []
    for (let i = 0; i < ops.length;) {
      let end = i
      while (end < ops.length && isChange(ops[end] as RecordOp)) {
        end++
      }
      if (end > i) {
        this.#change(ops.slice(i, end))
        answers.length = end
        i = end
      } else {
        answers.push(this.#ask(ops[i] as RecordOp))
        i++
      }
    }
    return answers
  }

  page(request: PageRequest): PackedPage {
    const { from, withFrom, to, skip, maxRecords, maxBytes, keysOnly } = request
    const parts = ['SELECT key']
    parts.push(keysOnly ? '' : ', value', `FROM records WHERE key ${withFrom ? '>=' : '>'} ?`)
    parts.push(to == null ? '' : 'AND key < ?', 'ORDER BY key LIMIT ? OFFSET ?')
    const statement = this.#page(parts.join(' '))
    const bounds = to == null ? [from] : [from, to]
    const rows: RecordAnswer[] = []
    let bytes = 0
    let records = 0
    for (const row of statement.iterate(...bounds, maxRecords, skip)) {
      for (const column of Object.values(row)) {
        rows.push(column as Uint8Array)
        bytes += (column as Uint8Array).byteLength
      }
      records++
      if (bytes >= maxBytes) {
        break
      }
    }
    return { ...packAnswers(rows), more: records === maxRecords || bytes >= maxBytes }
  }

  /** Moves what the log has into the database file, and empties the log. */
  checkpoint(): void {
    this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  }

  /** Takes pages that deleted records left out of the file, so that the pool has their space. */
  shrink(): void {
    this.#db.exec('PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)')
  }

  /** Leaves one file, without a log. */
  close(): void {
    this.#db.close()
  }

  #page(sql: string): StatementSync {
    let statement = this.#pages.get(sql)
    if (statement == null) {
      statement = this.#db.prepare(sql)
      this.#pages.set(sql, statement)
    }
    return statement
  }

  #ask({ kind, key }: RecordOp): RecordAnswer {
    if (kind === 'has') {
      return this.#has.get(key) != null
    }
    return this.#get.get(key)?.['value'] as Uint8Array | undefined
  }

  #change(ops: RecordOp[]): void {
    let added = 0
    this.#db.exec('BEGIN IMMEDIATE')
    try {
      for (const { kind, key, value } of ops) {
        if (kind === 'delete') {
          added -= Number(this.#delete.run(key).changes)
        } else if (this.#insert.run(key, value as Uint8Array).changes === 1) {
          added++
        } else {
          this.#update.run(key, value as Uint8Array)
        }
      }
      if (added !== 0) {
        this.#addToTotal.run(added)
      }
      this.#db.exec('COMMIT')
      this.#records += added
    } catch (error) {
      this.#rollBack()
      throw error
    }
  }

  /** SQLite has rolled back by itself after some errors (a full disk, for one). */
  #rollBack(): void {
    if (this.#db.isTransaction) {
      this.#db.exec('ROLLBACK')
    }
  }

  #readTotal(): number {
    return Number(this.#db.prepare('SELECT records FROM totals').get()?.['records'] ?? 0)
  }
}

function isChange({ kind }: RecordOp): boolean {
  return kind === 'put' || kind === 'delete'
}
