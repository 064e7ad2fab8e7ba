/**
 * classic-level (LevelDB) as the C++ contenders are measured: `classic-level.ts KEYS FOLDER`.
 * Prints a JSON object of the same shape.
 */
import { createHash } from 'node:crypto'
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import type { Measured, Row } from './main.ts'

const BATCH = 1000
const WINDOW = 64
const LOOKUPS = 1 << 18

const keys = Number(process.argv[2])
const folder = String(process.argv[3])
const options = {
  keyEncoding: 'buffer',
  valueEncoding: 'buffer',
  compression: false,
  writeBufferSize: 64 << 20,
  cacheSize: 64 << 20
} as const
let db = new ClassicLevel<Buffer, Buffer>(folder, options)
const rows: Record<string, Row> = {}

function keyOf(number: number): Buffer {
  return createHash('sha256').update(String(number)).digest()
}

async function measure(row: string, count: number, work: () => Promise<void>): Promise<void> {
  const cpu = process.cpuUsage()
  const began = performance.now()
  await work()
  const seconds = (performance.now() - began) / 1000
  const used = process.cpuUsage(cpu)
  const cpuMicroseconds = (used.user + used.system) / count
  rows[row] = { perSecond: count / seconds, cpuMicroseconds, seconds }
}

function writtenBytes(): number {
  return Number(/^write_bytes: (\d+)/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1] ?? 0)
}

async function insert(): Promise<void> {
  const value = Buffer.alloc(8)
  for (let at = 0, batches = 1; at < keys; at += BATCH, batches++) {
    const batch = db.batch()
    for (let i = at; i < Math.min(at + BATCH, keys); i++) {
      value.writeBigUInt64LE(BigInt(i))
      batch.put(keyOf(i), Buffer.from(value))
    }
    await batch.write({ sync: batches % WINDOW === 0 || at + BATCH >= keys })
  }
}

async function get(hit: boolean): Promise<void> {
  for (let at = 0; at < LOOKUPS; at += BATCH) {
    const wanted = Array.from({ length: Math.min(BATCH, LOOKUPS - at) }, () =>
      keyOf(Math.floor(Math.random() * keys) + (hit ? 0 : keys))
    )
    const found = await db.getMany(wanted)
    if (found.some(value => (value != null) !== hit)) throw new Error('a wrong lookup')
  }
}

async function remove(): Promise<void> {
  for (let at = 0; at < keys / 10; at += BATCH) {
    const batch = db.batch()
    for (let i = at; i < Math.min(at + BATCH, keys / 10); i++) batch.del(keyOf(i * 10))
    await batch.write({ sync: (at / BATCH) % WINDOW === WINDOW - 1 || at + BATCH >= keys / 10 })
  }
}

async function main(): Promise<void> {
  await db.open()
  const written = writtenBytes()
  await measure('insert', keys, insert)
  const writtenBytesPerKey = (writtenBytes() - written) / keys
  await measure('get hit', LOOKUPS, () => get(true))
  await measure('get miss', LOOKUPS, () => get(false))
  await measure('scan', keys, async () => {
    const iterator = db.iterator()
    let some = await iterator.nextv(10_000)
    while (some.length > 0) some = await iterator.nextv(10_000)
    await iterator.close()
  })
  const disk = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
  await measure('delete', Math.ceil(keys / 10), remove)
  await measure('reopen', 1, async () => {
    await db.close()
    db = new ClassicLevel(folder, options)
    await db.open()
  })
  await db.close()
  const measured: Measured = {
    rows,
    diskBytesPerKey: disk / keys,
    memoryBytesPerKey: 0,
    residentMaxBytes: process.resourceUsage().maxRSS * 1024,
    writtenBytesPerKey,
    writeAmplification: writtenBytesPerKey / 40,
    readsPerColdHit: 0,
    longestPutMs: 0,
    longestStallMs: 0
  }
  writeFileSync(1, JSON.stringify(measured))
}

await main()
