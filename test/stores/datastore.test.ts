/** The datastore of a real repo: against a Map, and at its edges. */
import { Key } from 'interface-datastore'
import { NotFoundError as StoreNotFoundError } from 'interface-store'
import * as assert from 'uvu/assert'
import { MAX_KEY_BYTES, MAX_VALUE_BYTES, type ZfsDatastore } from '../../src/index.ts'
import { Random } from '../random.ts'
import { collect, rejection } from '../rejection.ts'
import { suite } from '../suite.ts'
import { tempRepo, type TempRepo } from '../temp-repo.ts'

const test = suite<{ temp: TempRepo }>('datastore')

test.before(async context => {
  context.temp = await tempRepo({ durability: 'flush' })
})
test.after(async ({ temp }) => temp.remove())

const utf8 = new TextEncoder()
const ODD_KEYS = [
  '/',
  '/a',
  '/a/b',
  '/a/b/c',
  '/ab',
  '/a b',
  '/A',
  '/a%b_c*d?e[f]',
  '/quote\'double"back\\slash',
  '/NUL\0inside',
  '/NUL\0other',
  '/line\nbreak\ttab\r',
  '/ümlaut/日本語/🎉',
  '/e\u0301 and \u00e9',
  '/\u007f\u0080\u07ff\uffff',
  '/; DROP TABLE records; --',
  `/${'long/'.repeat(2000)}end`
]

async function clear(store: ZfsDatastore): Promise<void> {
  await collect(store.deleteMany(await collect(store.queryKeys({}))))
  assert.equal(await collect(store.queryKeys({})), [])
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

test('does as a Map does, at random', async ({ temp }) => {
  const random = new Random('datastore')
  const model = new Map<string, Uint8Array>()
  let store = temp.repo.datastore
  const names = Array.from({ length: 300 }, (_, i) => `/${random.pick('abc'.split(''))}/${i}`)
  names.push(...ODD_KEYS)
  for (let round = 0; round < 150; round++) {
    const batch = random.int(2) === 0 ? store.batch() : undefined
    for (let i = random.int(20); i > 0; i--) {
      const name = random.pick(names)
      const value = random.bytes(random.pick([0, 1, 10, 100, 5000]))
      if (random.int(3) > 0) {
        model.set(name, value)
        await (batch ?? store).put(new Key(name), value)
      } else {
        model.delete(name)
        await (batch ?? store).delete(new Key(name))
      }
    }
    await batch?.commit()
    const name = random.pick(names)
    assert.is(await store.has(new Key(name)), model.has(name))
    if (model.has(name)) {
      assert.equal(await store.get(new Key(name)), model.get(name))
    }
    const prefix = random.pick(['', '/', '/a', '/b/1', '/a/b', '/zzz', '/ü', ...ODD_KEYS])
    const expected = [...model.keys()].filter(key => key.startsWith(prefix)).sort(compareBytes)
    const keys = (await collect(store.queryKeys({ prefix }))).map(key => key.toString())
    assert.equal(keys, expected)
    if (round % 50 === 49) {
      store = (await temp.reopen()).datastore
    }
  }
  for await (const { key, value } of store.query({})) {
    assert.equal(value, model.get(key.toString()))
  }
  assert.is((await temp.repo.stat()).records, model.size)
  await clear(store)
})

test('keys are bytes, also when they are no text', async ({ temp }) => {
  const store = temp.repo.datastore
  const keys = [
    [0x2f, 0xff],
    [0x2f, 0xff, 0xff],
    [0x2f, 0xfe, 0x00],
    [0x2f, 0x80]
  ].map(bytes => new Key(new Uint8Array(bytes)))
  await Promise.all(keys.map(async (key, i) => store.put(key, new Uint8Array([i]))))
  for (const [i, key] of keys.entries()) {
    assert.equal(await store.get(key), new Uint8Array([i]))
  }
  await clear(store)
})

test('queries: filters, orders, offset and limit, in SQL or after it', async ({ temp }) => {
  const store = temp.repo.datastore
  const names = Array.from({ length: 1000 }, (_, i) => `/q/${String(i).padStart(4, '0')}`)
  await collect(
    store.putMany(names.map(name => ({ key: new Key(name), value: utf8.encode(name) })))
  )
  const keysOf = async (query: Parameters<ZfsDatastore['query']>[0]): Promise<string[]> =>
    (await collect(store.query(query))).map(({ key }) => key.toString())
  assert.equal(await keysOf({ prefix: '/q', offset: 300, limit: 400 }), names.slice(300, 700))
  assert.equal(await keysOf({ offset: 990 }), names.slice(990))
  assert.equal(await keysOf({ limit: 0 }), [])
  const even = { filters: [({ key }: { key: Key }) => Number(key.toString().slice(3)) % 2 === 0] }
  assert.equal(await keysOf({ ...even, offset: 10, limit: 3 }), ['/q/0020', '/q/0022', '/q/0024'])
  const down = (a: Key, b: Key): -1 | 1 => (a.toString() < b.toString() ? 1 : -1)
  const keys = await collect(store.queryKeys({ orders: [down], limit: 2 }))
  assert.equal(keys.map(String), [new Key('/q/0999'), new Key('/q/0998')].map(String))
  await clear(store)
})

test('a query that its consumer leaves early reads no further', async ({ temp }) => {
  const store = temp.repo.datastore
  const value = new Uint8Array(300_000)
  const keys = Array.from({ length: 20 }, (_, i) => new Key(`/big/${i}`))
  await collect(store.putMany(keys.map(key => ({ key, value }))))
  let seen = 0
  for await (const pair of store.query({})) {
    assert.is(pair.value.byteLength, value.byteLength)
    if (++seen === 2) {
      break
    }
  }
  assert.is(seen, 2)
  await clear(store)
})

test('a batch is one transaction, in the order given', async ({ temp }) => {
  const store = temp.repo.datastore
  const key = new Key('/twice')
  const batch = store.batch()
  batch.put(key, utf8.encode('first'))
  batch.delete(key)
  batch.put(key, utf8.encode('last'))
  assert.not(await store.has(key))
  await batch.commit()
  assert.equal(await store.get(key), utf8.encode('last'))
  batch.put(new Key('/again'), utf8.encode('the batch is empty after a commit'))
  await batch.commit()
  assert.is((await temp.repo.stat()).records, 2)
  const aborted = store.batch()
  aborted.put(new Key('/never'), utf8.encode('x'))
  const error = await rejection(Promise.resolve(aborted.commit({ signal: AbortSignal.abort() })))
  assert.is(error.name, 'AbortError')
  assert.not(await store.has(new Key('/never')))
  await clear(store)
})

test('bounds of keys and values', async ({ temp }) => {
  const store = temp.repo.datastore
  const key = new Key('/large')
  const most = new Uint8Array(MAX_VALUE_BYTES).fill(3)
  await store.put(key, most)
  assert.is(Buffer.compare(await store.get(key), most), 0)
  await store.delete(key)
  const value = await rejection(store.put(key, new Uint8Array(MAX_VALUE_BYTES + 1)))
  assert.is(value.code, 'ERR_TOO_LARGE')
  const longKey = new Key(`/${'k'.repeat(MAX_KEY_BYTES)}`)
  assert.is((await rejection(store.put(longKey, new Uint8Array(1)))).code, 'ERR_TOO_LARGE')
  assert.not(await store.has(longKey))
  const noBytes = await rejection(store.put(key, 'text' as unknown as Uint8Array))
  assert.is(noBytes.code, 'ERR_INVALID_PARAMETERS')
  await clear(store)
})

test('a missing record is the NotFoundError of interface-store', async ({ temp }) => {
  const store = temp.repo.datastore
  const error = await rejection(store.get(new Key('/missing')))
  assert.instance(error, StoreNotFoundError)
  assert.match(error.message, '/missing')
  const many = await rejection(collect(store.getMany([new Key('/missing')])))
  assert.instance(many, StoreNotFoundError)
})

test('a value may be changed by its owner after the put, and by who got it', async ({ temp }) => {
  const store = temp.repo.datastore
  const [a, b] = [new Key('/a'), new Key('/b')]
  const value = new Uint8Array([1])
  await Promise.all([store.put(a, value), store.put(b, value)])
  const got = await store.get(a)
  got[0] = 9
  value[0] = 9
  assert.equal(await store.get(a), new Uint8Array([1]))
  assert.equal(await store.get(b), new Uint8Array([1]))
  await clear(store)
})

test('an aborted signal is honoured before and while it waits', async ({ temp }) => {
  const store = temp.repo.datastore
  const [key, value] = [new Key('/abort'), new Uint8Array([1])]
  await store.put(key, value)
  const calls: Array<(signal: AbortSignal) => Promise<unknown>> = [
    async signal => store.put(key, value, { signal }),
    async signal => store.get(key, { signal }),
    async signal => store.has(key, { signal }),
    async signal => store.delete(key, { signal }),
    async signal => collect(store.putMany([{ key, value }], { signal })),
    async signal => collect(store.getMany([key], { signal })),
    async signal => collect(store.deleteMany([key], { signal })),
    async signal => collect(store.query({}, { signal })),
    async signal => collect(store.queryKeys({}, { signal }))
  ]
  for (const call of calls) {
    const reason = new Error('enough')
    assert.is(await rejection(call(AbortSignal.abort(reason))), reason)
    const controller = new AbortController()
    const pending = rejection(call(controller.signal))
    controller.abort(reason)
    assert.is(await pending, reason)
  }
  await clear(store)
})

test.run()
