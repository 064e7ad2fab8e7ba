/** `pin/ls?stream=true` of very many pins: nothing is gathered, and a slow client holds it back. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import * as assert from 'uvu/assert'
import { withPin } from '../../src/pins/pin-value.ts'
import { suite } from '../suite.ts'
import { call, lines, send, serveNode, type Served } from './harness.ts'
import { memoryRepo } from './memory-repo.ts'

const PINS = Number(process.env['PINS'] ?? 100_000)
/** Slots of pin-value.ts: dag-pb of version 0 and 1, raw. */
const slots = [0, 1, 2]

interface Context extends Served {
  scans: { count: number }
  expected: Map<string, string>
}

interface Line {
  Cid: string
  Type: string
}

const test = suite<Context>('a long listing of pins')

const asks = 'pin/ls?stream=true&type=recursive'

function sortedKeys(): Uint8Array {
  const all = randomBytes(32 * PINS)
  const keys = Array.from({ length: PINS }, (_, i) => all.subarray(32 * i, 32 * i + 32))
  return Buffer.concat(keys.sort((a, b) => Buffer.compare(a, b)))
}

function placeOf(keys: Uint8Array, key: Uint8Array): number {
  return Buffer.from(keys.buffer, keys.byteOffset, keys.length).indexOf(key) / 32
}

test.before(async context => {
  const repo = memoryRepo()
  context.scans = { count: 0 }
  context.expected = new Map()
  const { catalog } = repo
  const keys = sortedKeys()
  const values = new Float64Array(PINS)
  for (let i = 0; i < PINS; i++) {
    const slot = slots[i % slots.length] ?? 0
    const mode = i % 7 === 0 ? 'direct' : 'recursive'
    values[i] = withPin(0, slot, { mode, named: false, foreign: false })
    const digest = Digest.create(0x12, keys.subarray(32 * i, 32 * i + 32))
    const cid = slot === 0 ? CID.createV0(digest) : CID.createV1(slot === 1 ? 0x70 : 0x55, digest)
    if (i % 1000 < 30) context.expected.set(cid.toString(), mode)
  }
  // in order already: the catalog of the tests would sort it for each page
  catalog.scan = async (_family, from, limit) => {
    context.scans.count++
    const first = from == null ? 0 : placeOf(keys, from)
    const end = Math.min(first + limit, PINS)
    const next = end < PINS ? { next: keys.subarray(32 * end, 32 * end + 32) } : {}
    return {
      keys: keys.subarray(32 * first, 32 * end),
      values: values.subarray(first, end),
      ...next
    }
  }
  Object.assign(context, await serveNode({ repo }))
})
test.after(async ({ running }) => running.stop())

test('has each pin once, as JSON would write it', async ({ rpc, expected }) => {
  const started = process.cpuUsage()
  const answer = await call(rpc, asks)
  const { user, system } = process.cpuUsage(started)
  const found = new Map(lines<Line>(answer).map(({ Cid, Type }) => [Cid, Type]))
  const direct = lines<Line>(await call(rpc, 'pin/ls?stream=true&type=direct'))
  assert.is(found.size + direct.length, PINS)
  for (const { Cid, Type } of direct) found.set(Cid, Type)
  for (const [cid, mode] of expected) assert.is(found.get(cid), mode, cid)
  const perLine = (user + system) / (found.size - direct.length)
  console.log(`${perLine.toFixed(2)} µs of CPU a line, client and memory catalog included`)
  const first = answer.body.toString('latin1').split('\n', 1)[0] ?? ''
  assert.is(first, JSON.stringify(JSON.parse(first)))
  assert.is(answer.headers['x-chunked-output'], '1')
})

test('says the same in other bases and with names, by the slower way', async ({ rpc }) => {
  const fast = lines<Line>(await call(rpc, asks)).map(({ Cid }) => CID.parse(Cid).toV1().toString())
  const slow = lines<Line>(await call(rpc, `${asks}&cid-base=base32`)).map(({ Cid }) => Cid)
  assert.equal(fast, slow)
  assert.is(lines(await call(rpc, `${asks}&names=true`)).length, fast.length)
})

test('is not read from the catalog ahead of its client', async ({ rpc, scans }) => {
  const pages = PINS / 4096
  scans.count = 0
  const socket = connect(rpc, '127.0.0.1')
  await once(socket, 'connect')
  socket.write(`POST /api/v0/${asks} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`)
  await once(socket, 'readable')
  await sleep(300)
  const held = scans.count
  assert.ok(held < pages, `${held} of ${pages} pages were read for nobody`)
  socket.destroy()
  await sleep(300)
  assert.ok(scans.count <= held + 1, 'who went away is not served on')
})

test('that fails in the middle does not end well', async ({ rpc, repo }) => {
  const { catalog } = repo
  const scan = catalog.scan.bind(catalog)
  let pages = 0
  catalog.scan = async (...args) => {
    if (++pages > 2) throw new Error('the disk is gone')
    return scan(...args)
  }
  try {
    const cut = await call(rpc, asks)
    assert.is(cut.status, 200)
    assert.ok(cut.broken)
    pages = 0
    const told = await send(rpc, { path: `/api/v0/${asks}`, headers: { te: 'trailers' } })
    assert.is(told.trailers['x-stream-error'], 'the disk is gone')
  } finally {
    catalog.scan = scan
  }
})

test.run()
