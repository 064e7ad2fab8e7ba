/** Garbage: what no pin covers goes, everything else stays. Against a naive model. */
import { Key } from 'interface-datastore'
import { CID } from 'multiformats/cid'
import { base36 } from 'multiformats/bases/base36'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { SharedLock } from '../../src/pins/shared-lock.ts'
import { call, lines, message, serveNode, type Served } from '../http/harness.ts'

const test = suite<Served>('gc')

test.before.each(async context => {
  Object.assign(context, await serveNode())
})
test.after.each(async ({ running }) => running.stop())

const shared = { name: 'd/shared', body: 'shared by both' }

async function addFolder(rpc: number, own: string, options = ''): Promise<string> {
  const files = [{ name: 'd/own', body: own }, shared]
  const answer = await call(rpc, `add?cid-version=1${options}`, files)
  return lines<{ Hash: string }>(answer).at(-1)?.Hash ?? ''
}

async function collected(rpc: number): Promise<number> {
  const answer = await call(rpc, 'repo/gc')
  assert.is(answer.status, 200)
  return lines<{ Key: { '/': string } }>(answer).filter(({ Key: key }) => key['/'] !== '').length
}

test('unpinned blocks go, what a pin still covers stays', async ({ rpc }) => {
  const one = await addFolder(rpc, 'one')
  const two = await addFolder(rpc, 'two')
  assert.is(await collected(rpc), 0)
  await call(rpc, `pin/rm?arg=${one}`)
  // its folder and its own file
  assert.is(await collected(rpc), 2)
  assert.is((await call(rpc, `cat?arg=${two}/shared`)).body.toString(), 'shared by both')
  await call(rpc, `pin/rm?arg=${two}`)
  assert.is(await collected(rpc), 3)
})

test('pinned again after it was unpinned, it stays', async ({ rpc }) => {
  const one = await addFolder(rpc, 'one')
  const two = await addFolder(rpc, 'two')
  await call(rpc, `pin/rm?arg=${one}`)
  await call(rpc, `pin/add?arg=${one}`)
  await call(rpc, `pin/rm?arg=${two}`)
  assert.is(await collected(rpc), 2)
  assert.is((await call(rpc, `cat?arg=${one}/shared`)).status, 200)
})

test('a direct pin keeps one block', async ({ rpc }) => {
  const root = await addFolder(rpc, 'one', '&pin=false')
  await call(rpc, `pin/add?arg=${root}&recursive=false`)
  assert.is(await collected(rpc), 2)
  assert.is((await call(rpc, `block/get?arg=${root}`)).status, 200)
})

test('pins that a Helia application made are kept too', async ({ rpc, repo }) => {
  const root = await addFolder(rpc, 'helia', '&pin=false')
  const key = new Key(`/pin/${CID.parse(root).toString(base36)}`)
  await repo.datastore.put(key, new Uint8Array([0xa0]))
  assert.is(await collected(rpc), 0)
})

test('so is a block of an uncommon hash; given up, it goes by its own name', async served => {
  const { rpc, repo } = served
  const options = 'mhtype=sha2-512&cid-codec=raw&pin=false'
  const put = await call(rpc, `block/put?${options}`, [{ name: 'b', body: 'uncommon' }])
  const cid = CID.parse(lines<{ Key: string }>(put)[0]?.Key ?? '')
  assert.is(cid.multihash.code, 0x13)
  const key = new Key(`/pin/${cid.toString(base36)}`)
  await repo.datastore.put(key, new Uint8Array([0xa0]))
  assert.is(await collected(rpc), 0)
  await repo.datastore.delete(key)
  const gone = lines<{ Key: { '/': string } }>(await call(rpc, 'repo/gc'))
  assert.equal(gone, [{ Key: { '/': String(cid) } }])
})

test('a pin that lost a block keeps the others, and lets garbage go', async ({ rpc, repo }) => {
  const root = await addFolder(rpc, 'one')
  await addFolder(rpc, 'garbage', '&pin=false')
  const refs = lines<{ Ref: string }>(await call(rpc, `refs?arg=${root}`))
  await repo.blockstore.delete(CID.parse(refs[0]?.Ref ?? ''))
  // the other folder and its own file; what both have is pinned
  assert.is(await collected(rpc), 2)
  assert.is((await call(rpc, `block/get?arg=${root}`)).status, 200)
})

test('a Helia pin that is not complete stops it before anything goes', async ({ rpc, repo }) => {
  const root = await addFolder(rpc, 'one', '&pin=false')
  const key = new Key(`/pin/${CID.parse(root).toString(base36)}`)
  await repo.datastore.put(key, new Uint8Array([0xa0]))
  const refs = lines<{ Ref: string }>(await call(rpc, `refs?arg=${root}`))
  await repo.blockstore.delete(CID.parse(refs[0]?.Ref ?? ''))
  const before = lines(await call(rpc, 'refs/local')).length
  assert.match(await message(rpc, 'repo/gc'), /^500 could not retrieve links for /)
  assert.is(lines(await call(rpc, 'refs/local')).length, before)
})

test('the lock: many share it, one has it alone, nobody starves', async () => {
  const lock = new SharedLock()
  const order: string[] = []
  let sharing = 0
  const share = async (name: string) =>
    lock.shared(async () => {
      sharing++
      await new Promise(resolve => setTimeout(resolve, 20))
      order.push(name)
      sharing--
    })
  const alone = async () =>
    lock.alone(async () => {
      assert.is(sharing, 0)
      order.push('alone')
    })
  await Promise.all([share('a'), share('b'), alone(), share('c')])
  assert.equal(order, ['a', 'b', 'alone', 'c'])
})

test.run()
