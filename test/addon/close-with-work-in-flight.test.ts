import { rmSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { native } from '../../src/native.ts'
import { createScratch, equalBytes, makeBlocks, openStore } from './scratch.ts'

const code = (reason: unknown): unknown => (reason as { code?: unknown }).code

test('close waits for what was started before it, and refuses what comes after', async () => {
  const { place, pool, store } = await createScratch()
  const { multihashes, blocks } = makeBlocks(64, 200_000)
  let finished = 0
  const puts = blocks.map(async (block, i) => {
    await store.put([multihashes[i] as Uint8Array], [block], 'txg')
    finished++
  })
  const closing = store.close()
  const late = [
    store.put(multihashes, blocks, 'txg'),
    store.get(multihashes),
    store.sizes(multihashes),
    store.remove(multihashes, 'flush'),
    store.scan(undefined, 10),
    store.verify(undefined, 10, []),
    store.check(),
    store.stats(),
    store.flush(),
    store.compactStep()
  ]
  for (const outcome of await Promise.allSettled(late)) {
    assert.is(outcome.status, 'rejected')
    if (outcome.status === 'rejected') assert.is(code(outcome.reason), 'ERR_CLOSED')
  }
  await closing
  assert.is(finished, 64)
  await Promise.all(puts)

  const again = await openStore(pool, place)
  const got = await again.get(multihashes)
  assert.ok(blocks.every((block, i) => equalBytes(got[i], block)))
  await again.close()
  await pool.close()
  rmSync(place.folder, { recursive: true })
})

test('closing twice, at once or later, is fine', async () => {
  const { place, pool, store } = await createScratch()
  await Promise.all([store.close(), store.close()])
  await store.close()
  await Promise.all([pool.close(), pool.close()])
  await pool.close()
  const calls = [pool.status(), pool.listDatasets(place.name), native.syncPool(pool)]
  for (const outcome of await Promise.allSettled(calls)) {
    assert.is(outcome.status === 'rejected' && code(outcome.reason), 'ERR_CLOSED')
  }
  try {
    await openStore(pool, place)
    assert.unreachable()
  } catch (error) {
    assert.is(code(error), 'ERR_CLOSED')
  }
  rmSync(place.folder, { recursive: true })
})

test('a pool that is closed before its store lives until the store is closed', async () => {
  const { place, pool, store } = await createScratch()
  const { multihashes, blocks } = makeBlocks(3, 1000)
  await pool.close()
  await store.put(multihashes, blocks, 'txg')
  assert.ok(equalBytes((await store.get(multihashes))[2], blocks[2] as Uint8Array))
  await store.close()

  const reopened = await native.openPool({ name: place.name, vdevs: [place.vdev] })
  const again = await openStore(reopened, place)
  assert.is((await again.stats()).blocks, 3)
  await again.close()
  await reopened.close()
  rmSync(place.folder, { recursive: true })
})

test('two handles of one store are one store; the last one closes it', async () => {
  const { place, pool, store } = await createScratch()
  const other = await openStore(pool, place)
  const { multihashes, blocks } = makeBlocks(5, 1000)
  await store.put(multihashes, blocks, 'flush')
  await store.close()
  assert.is((await other.stats()).blocks, 5)
  await other.close()
  await pool.close()
  rmSync(place.folder, { recursive: true })
})

test.run()
