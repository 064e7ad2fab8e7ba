import type { DatabaseSync } from 'node:sqlite'
import { openDatabase } from './records-db.ts'

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS settings (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT;
`

/** What a repo must know before it can open its shards: their map. Lives beside the records. */
export class CatalogDb {
  readonly #db: DatabaseSync

  constructor(uri: string) {
    this.#db = openDatabase(uri)
    this.#db.exec(SCHEMA)
  }

  /** The value of a setting; when there is none and `initial` is given, sets it first. */
  setting(name: string, initial?: string): string | undefined {
    if (initial != null) {
      this.#db.prepare('INSERT OR IGNORE INTO settings VALUES (?, ?)').run(name, initial)
    }
    const row = this.#db.prepare('SELECT value FROM settings WHERE name = ?').get(name)
    return row?.['value'] as string | undefined
  }

  checkpoint(): void {
    this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  }

  close(): void {
    this.#db.close()
  }
}
