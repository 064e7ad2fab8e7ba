import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { packKeys } from '../../src/pins/catalog.ts'
import { blockKey } from '../../src/pins/node.ts'
import { createScratch, dispose, equalBytes, makeBlocks, multihashOf } from './scratch.ts'

const scratch = await createScratch()
const { store, pool } = scratch

test('a batch of many sizes comes back, absent ones in their places', async () => {
  const sizes = [0, 1, 63, 64, 65, 1000, 65_535, 65_536, 262_144, 262_158, 1 << 20, 4 << 20]
  const { multihashes, blocks } = makeBlocks(sizes.length, i => sizes[i] ?? 0)
  await store.put(multihashes, blocks, 'txg')

  const absent = multihashOf(new TextEncoder().encode('never put'))
  const asked = multihashes.flatMap(multihash => [multihash, absent])
  const got = await store.get(asked)
  assert.is(got.length, asked.length)
  for (const [i, block] of blocks.entries()) {
    assert.ok(equalBytes(got[2 * i], block), `block of ${block.length} bytes`)
    assert.is(got[2 * i + 1], undefined)
  }
  const lengths = await store.sizes(asked)
  assert.equal(
    [...lengths],
    sizes.flatMap(size => [size, -1])
  )
})

test('what is in memory comes without a promise, and is what a batch gives', async () => {
  const sizes = [0, 1, 1000, 65_535, 65_536, 65_537]
  const { multihashes, blocks } = makeBlocks(sizes.length, i => sizes[i] ?? 0)
  await store.put(multihashes, blocks, 'txg')
  const absent = multihashOf(new TextEncoder().encode('never put either'))
  assert.is(store.sizeNow(absent), -1)
  assert.is(store.getNow(absent), null)
  for (const [i, multihash] of multihashes.entries()) {
    assert.is(store.sizeNow(multihash), sizes[i])
    const got = store.getNow(multihash)
    // Undefined is allowed, but not for all: the blocks were written a moment ago.
    if (got !== undefined) assert.ok(equalBytes(got ?? undefined, blocks[i] as Uint8Array))
  }
  assert.ok(equalBytes(store.getNow(multihashes[2] as Uint8Array) ?? undefined, blocks[2] as never))
  assert.is(store.getNow(multihashes[5] as Uint8Array), undefined, 'too large to copy here')
  await store.remove(multihashes, 'txg')
  assert.ok(multihashes.every(multihash => store.getNow(multihash) === null))
})

test('an empty batch is fine', async () => {
  await store.put([], [], 'txg')
  await store.remove([], 'txg')
  assert.equal(await store.get([]), [])
  assert.is((await store.sizes([])).length, 0)
})

test('ten thousand small blocks are one call each way', async () => {
  const { multihashes, blocks } = makeBlocks(10_000, i => i % 2000)
  await store.put(multihashes, blocks, 'flush')
  const got = await store.get(multihashes)
  assert.ok(blocks.every((block, i) => equalBytes(got[i], block)))
  await store.flush()
})

test('the same block twice in a batch, and again in another, is one block', async () => {
  const { multihashes, blocks } = makeBlocks(1, 5000)
  const before = (await store.stats()).blocks
  await store.put([...multihashes, ...multihashes], [...blocks, ...blocks], 'txg')
  await store.put(multihashes, blocks, 'txg')
  assert.is((await store.stats()).blocks, before + 1)
  const got = await store.get([...multihashes, ...multihashes])
  assert.ok(got.every(block => equalBytes(block, blocks[0] as Uint8Array)))
})

test('views into larger buffers, Buffers too, are read at their offsets', async () => {
  const large = new Uint8Array(1000).map((_, i) => i)
  const views = [large.subarray(10, 200), Buffer.from(large.buffer, 300, 150), large.subarray(7, 7)]
  const multihashes = views.map(multihashOf)
  await store.put(multihashes, views, 'txg')
  const got = await store.get(multihashes)
  assert.ok(views.every((view, i) => equalBytes(got[i], view)))
})

test('a block that was got stays what it was when later batches use its memory', async () => {
  const { multihashes, blocks } = makeBlocks(64, i => (i % 2 === 0 ? 300 : 300_000))
  await store.put(multihashes, blocks, 'txg')
  const kept = await store.get(multihashes.slice(0, 2))
  for (let round = 0; round < 20; round++) {
    await store.get(multihashes)
    globalThis.gc?.()
  }
  assert.ok(equalBytes(kept[0], blocks[0] as Uint8Array))
  assert.ok(equalBytes(kept[1], blocks[1] as Uint8Array))
})

test('a small block that is kept holds a chunk of at most 256 KiB', async () => {
  const { multihashes, blocks } = makeBlocks(2000, 1024)
  await store.put(multihashes, blocks, 'flush')
  const got = await store.get(multihashes)
  for (const block of got) {
    assert.ok(block instanceof Uint8Array)
    assert.ok(block.buffer.byteLength <= 256 << 10)
  }
})

test('removed blocks are absent, the others stay', async () => {
  const { multihashes, blocks } = makeBlocks(100, 100)
  await store.put(multihashes, blocks, 'txg')
  const odd = multihashes.filter((_, i) => i % 2 === 1)
  await store.remove(odd, 'txg')
  const got = await store.get(multihashes)
  for (const [i, block] of blocks.entries()) {
    if (i % 2 === 1) assert.is(got[i], undefined)
    else assert.ok(equalBytes(got[i], block))
  }
})

test('removal by key tells what was there, with the multihash of every function', async () => {
  const { multihashes, blocks } = makeBlocks(4, i => (i % 2 === 0 ? 200 : 70_000))
  const foreign = multihashes.slice(2).map(multihash => Uint8Array.of(0x16, ...multihash.slice(1)))
  const stored = [...multihashes.slice(0, 2), ...foreign]
  await store.put(stored, blocks, 'txg')
  const absent = blockKey(multihashOf(new TextEncoder().encode('never put at all')))
  const keys = packKeys([absent, ...stored.map(blockKey)].sort((a, b) => Buffer.compare(a, b)))
  const removed = await store.removeKeys(keys, 'txg')
  const text = (all: Uint8Array[]) => all.map(one => Buffer.from(one).toString('hex')).sort()
  const digests = [0, 1].map(i => removed.digests.subarray(32 * i, 32 * i + 32))
  assert.is(removed.digests.length, 64)
  assert.equal(text(digests), text(multihashes.slice(0, 2).map(blockKey)))
  assert.equal(text(removed.multihashes), text(foreign))
  assert.equal([...(await store.sizes(stored))], [-1, -1, -1, -1])
  const again = await store.removeKeys(keys, 'txg')
  assert.equal([again.digests.length, again.multihashes], [0, []])
})

test('many calls at once each get their own answer', async () => {
  const { multihashes, blocks } = makeBlocks(500, i => 10 + i)
  await Promise.all(
    blocks.map((block, i) => store.put([multihashes[i] as Uint8Array], [block], 'txg'))
  )
  const got = await Promise.all(multihashes.map(multihash => store.get([multihash])))
  assert.ok(blocks.every((block, i) => equalBytes(got[i]?.[0], block)))
})

test('a scan lists every block once, ascending, and resumes', async () => {
  const { blocks } = await store.stats()
  const seen = new Set<string>()
  let previous = ''
  let from: Uint8Array | undefined
  do {
    const page = await store.scan(from, 1000)
    assert.is(page.multihashes.length, page.sizesBytes.length)
    for (const multihash of page.multihashes) {
      const key = Buffer.from(multihash.subarray(2)).toString('hex')
      assert.ok(key > previous)
      previous = key
      seen.add(key)
    }
    from = page.next
  } while (from != null)
  assert.is(seen.size, blocks)
})

test('verification proves or reads every block and finds nothing bad', async () => {
  await store.flush()
  const { blocks } = await store.stats()
  const damaged = await pool.damagedRecords()
  let looked = 0
  let from: Uint8Array | undefined
  do {
    const page = await store.verify(from, 1000, damaged)
    assert.equal(page.bad, [])
    looked += page.byPointer + page.byHash + page.unhashed
    from = page.next
  } while (from != null)
  assert.is(looked, blocks)
  assert.equal(await store.check(), [])
})

test.after(() => dispose(scratch))
test.run()
