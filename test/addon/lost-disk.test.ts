process.env.IPFS_ZFS_TEST_FAULTS = '1'

import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { native } from '../../src/native.ts'
import { createScratch, dispose, equalBytes, makeBlocks } from './scratch.ts'

const scratch = await createScratch()
const { pool, store, place } = scratch

test('a pool that lost its disk refuses writes, answers, and goes on when the disk is back', async () => {
  const before = makeBlocks(20, 1000)
  await store.put(before.multihashes, before.blocks, 'txg')

  native.setFileFault?.(place.vdev, 'all')
  const during = makeBlocks(20, 1000)
  // More than the threads there are for writes: none may be held for ever.
  const puts = Array.from({ length: 20 }, () =>
    store.put(during.multihashes, during.blocks, 'txg').then(
      () => 'acknowledged',
      (error: unknown) => (error as { code?: string }).code
    )
  )
  assert.ok((await Promise.all(puts)).every(code => code === 'ERR_POOL_SUSPENDED'))
  assert.is((await pool.status()).state, 'SUSPENDED')
  assert.is((await store.sizes(before.multihashes))[0], 1000)

  native.setFileFault?.(place.vdev, 'none')
  await pool.clearErrors()
  for (let i = 0; i < 100 && (await pool.status()).state === 'SUSPENDED'; i++) await sleep(50)
  await store.put(during.multihashes, during.blocks, 'txg')
  for (const { multihashes, blocks } of [before, during]) {
    const got = await store.get(multihashes)
    assert.ok(blocks.every((block, i) => equalBytes(got[i], block)))
  }
})

test.after(() => dispose(scratch))
test.run()
