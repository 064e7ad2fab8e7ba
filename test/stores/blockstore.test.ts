/** The blockstore of a real repo: against a Map, and at its edges. */
import { createHash } from 'node:crypto'
import { NotFoundError as StoreNotFoundError } from 'interface-store'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'
import * as assert from 'uvu/assert'
import { MAX_BLOCK_BYTES, type ZfsBlockstore } from '../../src/index.ts'
import { blockOf, randomBlocks, whole, type Block } from '../blocks.ts'
import { Random } from '../random.ts'
import { collect, rejection } from '../rejection.ts'
import { suite } from '../suite.ts'
import { tempRepo, type TempRepo } from '../temp-repo.ts'

const test = suite<{ temp: TempRepo }>('blockstore')

test.before(async context => {
  context.temp = await tempRepo({ durability: 'flush' })
})
test.after(async ({ temp }) => temp.remove())

const DAG_PB = 0x70
const IDENTITY = 0x00
const MURMUR3 = 0x22

function cidOf(code: number, digest: Uint8Array): CID {
  return CID.createV1(raw.code, Digest.create(code, new Uint8Array(digest)))
}

function keyOf({ multihash }: CID): string {
  return Buffer.from(multihash.bytes).toString('hex')
}

async function checkAgainst(store: ZfsBlockstore, model: Map<string, Block>): Promise<void> {
  const listed = new Set<string>()
  for await (const { cid, bytes } of store.getAll()) {
    const key = keyOf(cid)
    const expected = model.get(key)
    assert.ok(expected, `${key} is listed but was never put`)
    assert.not(listed.has(key), `${key} is listed twice`)
    listed.add(key)
    if (listed.size % 3 === 0) {
      assert.is(Buffer.compare(await whole(bytes), expected.bytes), 0, `${key} has other bytes`)
    }
  }
  assert.is(listed.size, model.size)
}

test('does as a Map does, at random', async ({ temp }) => {
  const random = new Random('blockstore')
  const model = new Map<string, Block>()
  const sizes = [0, 1, 32, 200, 1024, 65_535, 65_536, 65_537, 262_144, 262_158]
  const known: Block[] = []
  let store = temp.repo.blockstore
  for (let round = 0; round < 60; round++) {
    const fresh = Array.from({ length: random.int(40) }, () =>
      blockOf(random.bytes(random.pick(sizes)))
    )
    known.push(...fresh)
    const put = [...fresh, ...Array.from({ length: 5 }, () => random.pick(known))].filter(Boolean)
    const cids = await collect(store.putMany(put))
    assert.equal(
      cids.map(String),
      put.map(({ cid }) => String(cid))
    )
    put.forEach(block => model.set(keyOf(block.cid), block))
    const removed = Array.from({ length: random.int(15) }, () => random.pick(known)).filter(Boolean)
    await collect(store.deleteMany(removed.map(({ cid }) => cid)))
    removed.forEach(({ cid }) => model.delete(keyOf(cid)))
    const asked = Array.from({ length: 30 }, () => random.pick(known)).filter(Boolean)
    const has = await Promise.all(asked.map(async ({ cid }) => store.has(cid)))
    assert.equal(
      has,
      asked.map(({ cid }) => model.has(keyOf(cid)))
    )
    const there = asked.filter(({ cid }) => model.has(keyOf(cid)))
    const got = await collect(store.getMany(there.map(({ cid }) => cid)))
    for (const [i, { cid, bytes }] of got.entries()) {
      assert.is(cid, there[i]?.cid)
      assert.is(Buffer.compare(await whole(bytes), there[i]?.bytes as Uint8Array), 0)
    }
    if (round % 20 === 19) {
      await checkAgainst(store, model)
      store = (await temp.reopen()).blockstore
      await checkAgainst(store, model)
    }
  }
  assert.is((await temp.repo.stat()).blocks, model.size)
  await collect(store.deleteMany([...model.values()].map(({ cid }) => cid)))
  assert.is((await temp.repo.stat()).blocks, 0)
})

test('a missing block is the NotFoundError of interface-store, and names its CID', async ({
  temp
}) => {
  const { cid } = blockOf(new Uint8Array([1, 2, 3]))
  const error = await rejection(whole(temp.repo.blockstore.get(cid)))
  assert.instance(error, StoreNotFoundError)
  assert.is(error.code, 'ERR_NOT_FOUND')
  assert.match(error.message, String(cid))
  const [pair] = await collect(temp.repo.blockstore.getMany([cid]))
  assert.instance(await rejection(whole(pair?.bytes ?? [])), StoreNotFoundError)
})

test('finds a block under every CID with its multihash; lists CIDv1 raw', async ({ temp }) => {
  const { cid, bytes } = randomBlocks(1, 100)[0] as Block
  const v0 = CID.createV0(cid.multihash as Digest.Digest<0x12, number>)
  const store = temp.repo.blockstore
  await store.put(v0, bytes)
  assert.ok(await store.has(cid))
  assert.ok(await store.has(CID.createV1(DAG_PB, cid.multihash)))
  const [listed] = await collect(store.getAll())
  assert.is(String(listed?.cid), String(cid))
  await store.delete(cid)
  assert.not(await store.has(v0))
})

test('answers identity CIDs without storing', async ({ temp }) => {
  const store = temp.repo.blockstore
  const text = new TextEncoder().encode('in the CID itself')
  const cid = cidOf(IDENTITY, text)
  const long = cidOf(IDENTITY, new Uint8Array(1000).fill(7))
  assert.is(await store.put(cid, text), cid)
  assert.ok(await store.has(cid))
  assert.equal(await whole(store.get(cid)), text)
  const [other] = randomBlocks(1, 10) as [Block]
  await collect(store.putMany([{ cid, bytes: text }, other]))
  const pairs = await collect(store.getMany([cid, other.cid, long]))
  assert.equal(await whole(pairs[0]?.bytes ?? []), text)
  assert.equal(await whole(pairs[1]?.bytes ?? []), other.bytes)
  assert.is((await whole(pairs[2]?.bytes ?? [])).byteLength, 1000)
  await collect(store.deleteMany([cid, other.cid]))
  await store.delete(cid)
  assert.ok(await store.has(cid))
  assert.is((await temp.repo.stat()).blocks, 0)
})

test('takes values in pieces', async ({ temp }) => {
  const store = temp.repo.blockstore
  const [block] = randomBlocks(1, 300) as [Block]
  const pieces = [0, 100, 200].map(at => block.bytes.subarray(at, at + 100))
  await store.put(block.cid, pieces)
  assert.equal(await whole(store.get(block.cid)), block.bytes)
  await store.delete(block.cid)
  const later = (async function* () {
    yield* pieces
  })()
  await collect(store.putMany([{ cid: block.cid, bytes: later }]))
  assert.equal(await whole(store.get(block.cid)), block.bytes)
  await store.delete(block.cid)
})

test('stores 4 MiB, and refuses one byte more', async ({ temp }) => {
  const store = temp.repo.blockstore
  const [most, over] = [MAX_BLOCK_BYTES, MAX_BLOCK_BYTES + 1].map(size => {
    return blockOf(new Uint8Array(size).fill(1))
  }) as [Block, Block]
  await store.put(most.cid, most.bytes)
  assert.is((await whole(store.get(most.cid))).byteLength, MAX_BLOCK_BYTES)
  await store.delete(most.cid)
  const inPieces = [over.bytes.subarray(0, 100), over.bytes.subarray(100)]
  for (const bytes of [over.bytes, inPieces]) {
    const error = await rejection(store.put(over.cid, bytes))
    assert.is(error.code, 'ERR_TOO_LARGE')
    assert.match(error.message, String(over.cid))
    const many = await rejection(collect(store.putMany([{ cid: over.cid, bytes }])))
    assert.is(many.code, 'ERR_TOO_LARGE')
  }
  assert.is((await temp.repo.stat()).blocks, 0)
})

test('a block that is refused does not fail its neighbours of the same turn', async ({ temp }) => {
  const store = temp.repo.blockstore
  const [good] = randomBlocks(1, 50) as [Block]
  const tooLong = cidOf(MURMUR3, new Uint8Array(200))
  const big = new Uint8Array(MAX_BLOCK_BYTES + 1)
  const outcomes = await Promise.allSettled([
    store.put(good.cid, good.bytes),
    store.put(good.cid, big),
    store.put(tooLong, good.bytes)
  ])
  assert.equal(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected']
  )
  const asked = await Promise.all([store.has(good.cid), store.has(tooLong), store.delete(tooLong)])
  assert.equal(asked.slice(0, 2), [true, false])
  assert.is((await rejection(whole(store.get(tooLong)))).code, 'ERR_NOT_FOUND')
  await store.delete(good.cid)
})

test('gives blocks of unknown hash functions back', async ({ temp }) => {
  const store = temp.repo.blockstore
  const bytes = new TextEncoder().encode('whatever this is')
  const cids = [
    cidOf(MURMUR3, new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8])),
    cidOf(0x300001, new Uint8Array(64).fill(9)),
    cidOf(0x13, createHash('sha512').update(bytes).digest())
  ]
  await collect(store.putMany(cids.map(cid => ({ cid, bytes }))))
  const listed = await collect(store.getAll())
  assert.equal(listed.map(({ cid }) => String(cid)).sort(), cids.map(String).sort())
  for (const cid of cids) {
    assert.equal(await whole(store.get(cid)), bytes)
  }
  const report = await temp.repo.verify({ scrub: false })
  assert.ok(report.ok, JSON.stringify(report))
  await collect(store.deleteMany(cids))
})

test('an aborted signal is honoured before and while it waits', async ({ temp }) => {
  const store = temp.repo.blockstore
  const blocks = randomBlocks(20, 1000)
  // Too large to be answered at once from memory.
  const large = randomBlocks(1, 100_000)[0] as Block
  blocks.push(large)
  await collect(store.putMany(blocks))
  const { cid, bytes } = large
  const reason = new Error('enough')
  assert.is(await rejection(store.has(cid, { signal: AbortSignal.abort(reason) })), reason)
  const calls: Array<(signal: AbortSignal) => Promise<unknown>> = [
    async signal => store.put(cid, bytes, { signal }),
    async signal => whole(store.get(cid, { signal })),
    async signal => store.delete(cid, { signal }),
    async signal => collect(store.putMany(blocks, { signal })),
    async signal => collect(store.getMany([cid], { signal })),
    async signal => collect(store.deleteMany([cid], { signal })),
    async signal => collect(store.getAll({ signal }))
  ]
  for (const call of calls) {
    assert.is(await rejection(call(AbortSignal.abort(reason))), reason)
    const controller = new AbortController()
    const pending = rejection(call(controller.signal))
    controller.abort(reason)
    assert.is(await pending, reason)
  }
  const forever = (async function* () {
    yield { cid, bytes }
    await new Promise(() => {})
  })()
  const controller = new AbortController()
  const putting = rejection(collect(store.putMany(forever, { signal: controller.signal })))
  setTimeout(() => controller.abort(), 20)
  assert.is((await putting).name, 'AbortError')
  await collect(store.deleteMany(blocks.map(block => block.cid)))
})

test('a listing goes on while blocks come and go', async ({ temp }) => {
  const store = temp.repo.blockstore
  const [kept, gone] = [randomBlocks(1500, 100), randomBlocks(1500, 100)]
  await collect(store.putMany([...kept, ...gone]))
  const seen = new Set<string>()
  let deleted = false
  for await (const { cid } of store.getAll()) {
    seen.add(String(cid))
    if (!deleted && seen.size === 100) {
      deleted = true
      await collect(store.deleteMany(gone.map(block => block.cid)))
    }
  }
  assert.ok(kept.every(({ cid }) => seen.has(String(cid))))
  const [pair] = await collect(store.getAll())
  await collect(store.deleteMany(kept.map(block => block.cid)))
  assert.is((await rejection(whole(pair?.bytes ?? []))).code, 'ERR_NOT_FOUND')
})

test('single calls are grouped: 2,000 at once take a few batches', async ({ temp }) => {
  const store = temp.repo.blockstore
  const blocks = randomBlocks(2000, 64)
  await Promise.all(blocks.map(async ({ cid, bytes }) => store.put(cid, bytes)))
  const got = await Promise.all(blocks.map(async ({ cid }) => whole(store.get(cid))))
  got.forEach((bytes, i) => assert.is(Buffer.compare(bytes, blocks[i]?.bytes as Uint8Array), 0))
  await Promise.all(blocks.map(async ({ cid }) => store.delete(cid)))
  assert.is((await temp.repo.stat()).blocks, 0)
})

test.run()
