/** ZFS over the RPC, by its own client, on a real pool. */
import * as assert from 'uvu/assert'
import { RpcClient } from '../../src/client/rpc.ts'
import { ZfsClient } from '../../src/client/zfs.ts'
import { startNode, type RunningNode } from '../../src/node/node.ts'
import { rejection } from '../rejection.ts'
import { suite } from '../suite.ts'
import { tempRepo, type TempRepo } from '../temp-repo.ts'
import { call, json, lines } from './harness.ts'

interface Context {
  temp: TempRepo
  running: RunningNode
  port: number
  rpc: RpcClient
  zfs: ZfsClient
}

const test = suite<Context>('zfs over the RPC')

test.before(async context => {
  const temp = await tempRepo()
  const running = await startNode({ repo: temp.repo, rpc: { port: 0 } })
  const { rpcAddress: address } = running
  if (address == null || !('port' in address)) throw new Error('no port')
  const rpc = new RpcClient(address)
  Object.assign(context, { temp, running, rpc, port: address.port, zfs: new ZfsClient(rpc) })
})
test.after(async ({ temp, running, rpc }) => {
  rpc.close()
  await running.stop()
  await temp.remove()
})

test('the state of the pool, its devices and datasets', async ({ zfs, temp }) => {
  const { root, pool } = await zfs.status()
  assert.is(root, temp.repo.zfs.root)
  assert.is(pool.state, 'ONLINE')
  assert.is(pool.root.children.length, 1)
  assert.is(pool.scrub.state, 'none')
  const names: string[] = []
  for await (const { name } of zfs.datasets()) names.push(name)
  assert.is(names[0], root)
  assert.ok(names.includes(`${root}/catalog`))
  assert.equal(names, names.toSorted())
})

test('the wire has the names as Kubo spells them', async ({ port }) => {
  const status = await json<{ Root: string; Pool: { SizeBytes: number; Root: object } }>(
    port,
    'zfs/status'
  )
  assert.type(status.Root, 'string')
  assert.type(status.Pool.SizeBytes, 'number')
  const [first] = lines<{ Name: string; UsedBytes: number }>(await call(port, 'zfs/dataset/list'))
  assert.is(first?.Name, status.Root)
})

test('properties: all, some, set for all and for one dataset', async ({ zfs }) => {
  const { root } = await zfs.status()
  assert.is((await zfs.getProperties())['compression'], 'lz4')
  assert.equal(await zfs.getProperties(['checksum', 'atime']), { checksum: 'sha256', atime: 'off' })
  const set = { compression: 'zstd', 'org.example:tier': 'cold = slow' }
  assert.equal(await zfs.setProperties(set), set)
  const dataset = `${root}/shard-0000`
  assert.equal(await zfs.getProperties(['compression'], { dataset }), { compression: 'zstd' })
  assert.equal(await zfs.getProperties(['org.example:tier']), { 'org.example:tier': 'cold = slow' })
  await zfs.setProperties({ compression: 'lz4' }, { dataset })
  assert.equal(await zfs.getProperties(['compression'], { dataset }), { compression: 'lz4' })
  assert.equal(await zfs.getProperties(['compression']), { compression: 'zstd' })
})

test('what ZFS or the repo cannot have is refused, and nothing is set', async ({ zfs, port }) => {
  const { root } = await zfs.status()
  const refusals: Array<[() => Promise<unknown>, RegExp]> = [
    [() => zfs.setProperties({ nope: '1' }), /there is no property 'nope'/],
    [() => zfs.setProperties({ copies: '2', compression: 'nope' }), /'nope' is not one of/],
    [
      () => zfs.setProperties({ checksum: 'off' }),
      /checksum=off is refused: damage would go unseen/
    ],
    [() => zfs.setProperties({ atime: 'on' }, { dataset: `${root}/reserve` }), /the repo's own/],
    [
      () => zfs.setProperties({ atime: 'on' }, { dataset: 'elsewhere/ipfs' }),
      /no dataset elsewhere/
    ],
    [() => zfs.getProperties([], { dataset: `${root}2` }), /the repo has no dataset/],
    [() => zfs.getProperties([], { dataset: `${root}/nope` }), /nope/],
    [() => zfs.getProperties(['nope']), /has no property nope/]
  ]
  for (const [refused, text] of refusals) assert.match((await rejection(refused())).message, text)
  assert.is((await zfs.getProperties())['copies'], '1')
  const malformed = await call(port, 'zfs/property/set?arg=compression')
  assert.is(malformed.status, 500)
  assert.match(malformed.body.toString(), /not of the form property=value/)
  assert.is((await call(port, 'zfs/property/set')).status, 400)
})

test('a scrub is started, seen and finished', async ({ zfs }) => {
  assert.ok(['scanning', 'finished'].includes((await zfs.startScrub()).state))
  for (;;) {
    const { state, errors } = await zfs.scrubStatus()
    if (state === 'scanning') continue
    assert.is(state, 'finished')
    assert.is(errors, 0)
    break
  }
})

test('snapshots: made, listed, gone back to, destroyed', async ({ zfs, rpc, port }) => {
  const { Hash } = await json<{ Hash: string }>(port, 'add', [{ name: 'f', body: 'in it' }])
  const made = await zfs.createSnapshot('before')
  assert.is(made.name, 'before')
  const late = await json<{ Hash: string }>(port, 'add', [{ name: 'f', body: 'too late' }])
  await zfs.rollback('before')
  assert.is((await call(port, `cat?arg=${Hash}`)).body.toString(), 'in it')
  assert.is((await call(port, `cat?arg=${late.Hash}`)).status, 500)
  const names: string[] = []
  for await (const { name } of zfs.snapshots()) names.push(name)
  assert.equal(names, ['before'])
  await zfs.destroySnapshot('before')
  assert.match((await rejection(zfs.destroySnapshot('before'))).message, /no snapshot before/)
  await rpc.json('version')
})

test('repo/stat tells what can still be stored, not what the devices hold', async ({
  zfs,
  port
}) => {
  const { RepoSize, StorageMax } = await json<{ RepoSize: number; StorageMax: number }>(
    port,
    'repo/stat?size-only=true'
  )
  const { datasets, pool } = await zfs.repoStat()
  const available = Math.max(...datasets.map(({ availableBytes }) => availableBytes))
  assert.ok(Math.abs(StorageMax - RepoSize - available) < 1024 * 1024)
  assert.ok(StorageMax < pool.sizeBytes)
  await zfs.setProperties({ quota: '100M' })
  const limited = await json<{ RepoSize: number; StorageMax: number }>(port, 'repo/stat')
  assert.ok(limited.StorageMax - limited.RepoSize <= 100 * 1024 * 1024)
})

test.run()
