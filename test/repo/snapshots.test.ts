/** Snapshots of a whole repo, and going back to them. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Key } from 'interface-datastore'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { randomBlocks, whole, type Block } from '../blocks.ts'
import { collect, rejection } from '../rejection.ts'
import { tempRepo, type TempRepo } from '../temp-repo.ts'

const test = suite<{ temp: TempRepo }>('snapshots')

test.before.each(async context => {
  context.temp = await tempRepo({ durability: 'flush' })
})
test.after.each(async ({ temp }) => temp.remove())

async function put(temp: TempRepo, name: string, count: number): Promise<Block[]> {
  const blocks = randomBlocks(count, 3000)
  await collect(temp.repo.blockstore.putMany(blocks))
  await temp.repo.datastore.put(new Key(`/${name}`), new TextEncoder().encode(name))
  return blocks
}

async function has(temp: TempRepo, blocks: Block[]): Promise<boolean[]> {
  const all = await Promise.all(blocks.map(async ({ cid }) => temp.repo.blockstore.has(cid)))
  return [...new Set(all)]
}

test('create, list, roll back, destroy; the stores stay the same objects', async ({ temp }) => {
  const { snapshots, blockstore, datastore } = temp.repo
  const first = await put(temp, 'first', 200)
  const made = await snapshots.create('one')
  assert.is(made.name, 'one')
  assert.ok(Math.abs(made.created.getTime() - Date.now()) < 60_000)
  const second = await put(temp, 'second', 200)
  await collect(blockstore.deleteMany(first.slice(0, 100).map(({ cid }) => cid)))
  await datastore.put(new Key('/first'), new Uint8Array([0]))
  assert.equal(
    (await snapshots.list()).map(({ name }) => name),
    ['one']
  )
  await snapshots.rollback('one')
  assert.equal(await has(temp, first), [true])
  assert.equal(await has(temp, second), [false])
  const block = first[0] as Block
  assert.is(Buffer.compare(await whole(blockstore.get(block.cid)), block.bytes), 0)
  assert.is(new TextDecoder().decode(await datastore.get(new Key('/first'))), 'first')
  assert.not(await datastore.has(new Key('/second')))
  const third = await put(temp, 'third', 50)
  assert.ok((await temp.repo.verify()).ok)
  await snapshots.destroy('one')
  assert.equal(await snapshots.list(), [])
  await temp.reopen()
  assert.equal(await has(temp, [...first, ...third]), [true])
  assert.is((await temp.repo.stat()).records, 2)
})

test('work under way waits for a rollback, and cursors end', async ({ temp }) => {
  await put(temp, 'before', 3000)
  await temp.repo.snapshots.create('here')
  const later = await put(temp, 'later', 10)
  const listing = temp.repo.blockstore.getAll()
  const query = temp.repo.datastore.query({})
  await listing.next()
  await query.next()
  const rolledBack = temp.repo.snapshots.rollback('here')
  const puts = Promise.all(later.map(async b => temp.repo.blockstore.put(b.cid, b.bytes)))
  await Promise.all([rolledBack, puts])
  assert.equal(await has(temp, later), [true])
  const error = await rejection(collect(listing))
  assert.is(error.name, 'BusyError')
  assert.match(error.message, 'rolled back')
})

test('a rollback that would lose newer snapshots is refused', async ({ temp }) => {
  const { snapshots } = temp.repo
  await snapshots.create('a')
  const blocks = await put(temp, 'between', 10)
  await snapshots.create('b')
  const error = await rejection(snapshots.rollback('a'))
  assert.is(error.name, 'BusyError')
  assert.match(error.message, /newer snapshots than a.*: b; destroy them/)
  assert.equal(await has(temp, blocks), [true])
  await snapshots.destroy('b')
  await snapshots.rollback('a')
  assert.equal(await has(temp, blocks), [false])
})

test('names', async ({ temp }) => {
  const { snapshots } = temp.repo
  for (const name of ['', 'a b', 'a/b', 'a@b', '-x', 'x'.repeat(129), 'ü', '%x']) {
    for (const call of [
      snapshots.create(name),
      snapshots.rollback(name),
      snapshots.destroy(name)
    ]) {
      assert.is((await rejection(call)).name, 'InvalidParametersError')
    }
  }
  assert.is((await rejection(snapshots.rollback('nope'))).code, 'ERR_NOT_FOUND')
  assert.is((await rejection(snapshots.destroy('nope'))).code, 'ERR_NOT_FOUND')
  const { name } = await snapshots.create()
  assert.match(name, /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ$/)
  assert.is((await rejection(snapshots.create(name))).name, 'ExistsError')
  const signal = AbortSignal.abort()
  assert.is((await rejection(snapshots.create('x', { signal }))).name, 'AbortError')
  assert.is((await snapshots.list()).length, 1)
})

test('a rollback that a crash cut short is finished at the next open', async ({ temp }) => {
  const first = await put(temp, 'first', 20)
  await temp.repo.snapshots.create('here')
  const second = await put(temp, 'second', 20)
  await temp.repo.close()
  const path = join(temp.folder, 'config.json')
  const config = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
  await writeFile(path, JSON.stringify({ ...config, rollingBackTo: 'here' }))
  await temp.reopen()
  assert.equal(await has(temp, first), [true])
  assert.equal(await has(temp, second), [false])
  const after = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
  assert.equal(after, config)
})

test.run()
