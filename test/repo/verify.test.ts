/** repo.verify: what it proves and how, its progress, and that it can be stopped. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { VerifyProgress } from '../../src/index.ts'
import { blockOf, randomBlocks } from '../blocks.ts'
import { collect, rejection } from '../rejection.ts'
import { onKernel, tempRepo, type TempRepo } from '../temp-repo.ts'

const test = suite<{ temp: TempRepo }>('verify')

test.before.each(async context => {
  context.temp = await tempRepo({ durability: 'flush' })
})
test.after.each(async ({ temp }) => temp.remove())

test('an empty repo', async ({ temp }) => {
  const report = await temp.repo.verify()
  assert.equal(report, {
    blocks: 0,
    byPointer: 0,
    byHash: 0,
    unhashed: 0,
    bad: [],
    faults: [],
    ok: true
  })
})

test('raw 256 KiB blocks are proved by their block pointers, the rest by hashing', async ({
  temp
}) => {
  const whole = randomBlocks(40, 262_144)
  const uneven = randomBlocks(10, 262_158)
  const small = randomBlocks(300, 1024)
  const zeros = [blockOf(new Uint8Array(262_144))]
  await collect(temp.repo.blockstore.putMany([...whole, ...uneven, ...small, ...zeros]))
  await temp.repo.flush()
  const report = await temp.repo.verify()
  assert.ok(report.ok, JSON.stringify(report))
  assert.is(report.blocks, 351)
  // The kernel shows no block pointers: there, all are hashed.
  const byPointer = onKernel ? 0 : 40
  assert.is(report.byPointer, byPointer)
  assert.is(report.byHash, 351 - byPointer)
  assert.is(report.unhashed, 0)
})

test('a block whose bytes are not what its CID says is listed', async ({ temp }) => {
  const [good, bad] = [randomBlocks(10, 5000), randomBlocks(2, 5000)]
  await collect(temp.repo.blockstore.putMany(good))
  await temp.repo.blockstore.put(bad[0]?.cid ?? good[0]!.cid, bad[1]?.bytes ?? new Uint8Array())
  const report = await temp.repo.verify()
  assert.not(report.ok)
  assert.equal(
    report.bad.map(({ cid }) => String(cid)),
    [String(bad[0]?.cid)]
  )
  assert.is(report.blocks, 11)
})

test('progress goes through its phases, and an abort stops it', async ({ temp }) => {
  await collect(temp.repo.blockstore.putMany(randomBlocks(500, 20_000)))
  const seen: VerifyProgress[] = []
  await temp.repo.verify({ onProgress: progress => seen.push(progress) })
  assert.equal([...new Set(seen.map(({ phase }) => phase))], ['scrub', 'blocks', 'index'])
  assert.ok(seen.every(({ done, total }) => done <= total))
  assert.is(seen.findLast(({ phase }) => phase === 'blocks')?.done, 500)
  for (const phase of ['scrub', 'blocks'] as const) {
    const controller = new AbortController()
    const stopped = temp.repo.verify({
      signal: controller.signal,
      onProgress: progress => {
        if (progress.phase === phase) {
          controller.abort()
        }
      }
    })
    assert.is((await rejection(stopped)).name, 'AbortError')
  }
  assert.ok((await temp.repo.verify()).ok)
})

test.run()
