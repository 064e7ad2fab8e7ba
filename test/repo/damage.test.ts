/** Flipped bytes on disk: named on a single file, healed in a mirror. */
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openRepo } from '../../src/index.ts'
import { randomBlocks, whole, type Block } from '../blocks.ts'
import { collect, rejection } from '../rejection.ts'
import { MIB, tempFolder, tempRepo } from '../temp-repo.ts'
import { findInFile, flipBytes } from './flip.ts'

const test = suite('damage')

/** Both kinds: a record each, and records that they share. */
function someBlocks(): Block[] {
  return [
    ...randomBlocks(30, 262_144),
    ...randomBlocks(10, 262_158),
    ...randomBlocks(5, 1_048_576),
    ...randomBlocks(400, 1024)
  ]
}

test('single file: the error names the CID, others read, verify lists exactly those', async () => {
  const temp = await tempRepo()
  const blocks = someBlocks()
  await collect(temp.repo.blockstore.putMany(blocks))
  await temp.repo.close()
  const image = join(temp.folder, 'pool.img')
  const hit = [blocks[3], blocks[17], blocks[33], blocks[41]] as Block[]
  const needles = hit.map(({ bytes }) => bytes.subarray(1000, 1064))
  for (const places of await findInFile(image, needles)) {
    assert.is(places.length, 1, 'the bytes of a block are there once')
    await flipBytes(image, places)
  }
  await temp.reopen()
  const { blockstore } = temp.repo
  const broken = new Set(hit.map(({ cid }) => String(cid)))
  for (const { cid, bytes } of blocks) {
    if (broken.has(String(cid))) {
      const error = await rejection(whole(blockstore.get(cid)))
      assert.is(error.name, 'CorruptError')
      assert.match(error.message, String(cid))
    } else {
      assert.is(Buffer.compare(await whole(blockstore.get(cid)), bytes), 0)
    }
  }
  for (const scrub of [true, false]) {
    const report = await temp.repo.verify({ scrub })
    assert.equal(new Set(report.bad.map(({ cid }) => String(cid))), broken)
    assert.not(report.ok)
    assert.is(report.blocks, blocks.length)
  }
  await temp.remove()
})

test('single file: a damaged pack fails the blocks in that record, no others', async () => {
  const temp = await tempRepo()
  const blocks = randomBlocks(2000, 1024)
  await collect(temp.repo.blockstore.putMany(blocks))
  await temp.repo.close()
  const image = join(temp.folder, 'pool.img')
  const hit = blocks[700] as Block
  const places = await findInFile(image, [hit.bytes.subarray(100, 164)])
  await flipBytes(image, places.flat())
  await temp.reopen()
  const failed = new Set<string>()
  for await (const { cid, bytes } of temp.repo.blockstore.getMany(blocks.map(b => b.cid))) {
    await whole(bytes).catch((error: Error) => {
      assert.match(error.message, String(cid))
      failed.add(String(cid))
    })
  }
  assert.ok(failed.has(String(hit.cid)))
  assert.ok(failed.size <= 1024, `${failed.size} of 2,000 failed`)
  const report = await temp.repo.verify()
  assert.equal(new Set(report.bad.map(({ cid }) => String(cid))), failed)
  await temp.remove()
})

test('mirror: reads are right, errors are counted, a scrub repairs', async () => {
  const { folder, remove } = await tempFolder()
  const vdevs = [join(folder, 'a.img'), join(folder, 'b.img')]
  const pool = { vdevs, layout: 'mirror', sizeBytes: 512 * MIB } as const
  let repo = await openRepo({ path: folder, create: true, pool })
  const blocks = someBlocks()
  await collect(repo.blockstore.putMany(blocks))
  await repo.close()
  const [damaged = ''] = vdevs
  const needles = blocks.slice(0, 45).map(({ bytes }) => bytes.subarray(500, 564))
  await flipBytes(damaged, (await findInFile(damaged, needles)).flat())
  repo = await openRepo({ path: folder })
  for (const { cid, bytes } of blocks) {
    assert.is(Buffer.compare(await whole(repo.blockstore.get(cid)), bytes), 0)
  }
  const report = await repo.verify()
  assert.ok(report.ok, JSON.stringify(report))
  const { pool: status } = await repo.stat()
  const mirror = status.root.children[0]
  const errors = mirror?.children.find(({ name }) => name.includes('a.img'))?.checksumErrors ?? 0
  assert.ok(errors > 0, JSON.stringify(status.root))
  assert.is(status.scrub.state, 'finished')
  await repo.close()
  for (const places of await findInFile(damaged, needles)) {
    assert.is(places.length, 1, 'repaired on disk')
  }
  repo = await openRepo({ path: folder })
  assert.ok((await repo.verify()).ok)
  assert.is((await repo.stat()).pool.scrub.repairedBytes, 0)
  await repo.close()
  await remove()
})

test.run()
