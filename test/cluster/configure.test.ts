/** `ipfs-zfs cluster configure`; what it writes is run by stock Cluster in cluster.test.ts. */
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { clusterSettings } from '../../src/cluster/settings.ts'
import { valueAt, type Change, type JsonObject } from '../../src/settings.ts'
import { Bench } from '../cli/harness.ts'
import { suite } from '../suite.ts'

interface Configured {
  dryRun: boolean
  file: string
  isNew: boolean
  changes: Change[]
}

const test = suite<{ bench: Bench; pool: string }>('cluster configure')

test.before(async context => {
  context.bench = await Bench.make()
  const config = await readFile(context.bench.path('repo', 'config.json'), 'utf8')
  context.pool = (JSON.parse(config) as { pool: { name: string } }).pool.name
})
test.after(async ({ bench }) => bench[Symbol.asyncDispose]())

const read = async (file: string) => JSON.parse(await readFile(file, 'utf8')) as JsonObject

async function configure(bench: Bench, name: string, ...args: string[]): Promise<Configured> {
  return bench.json<Configured>(['cluster', 'configure', '--cluster', bench.path(name), ...args])
}

/** What is in a file before Cluster's defaults are added. */
async function write(bench: Bench, name: string, config: unknown): Promise<string> {
  await mkdir(bench.path(name), { recursive: true })
  const file = bench.path(name, 'service.json')
  await writeFile(file, typeof config === 'string' ? config : JSON.stringify(config))
  return file
}

test('a new peer: its settings, secret and identity, for its owner alone', async context => {
  const { bench, pool } = context
  const planned = await configure(bench, 'new', '--dry-run')
  assert.ok(planned.isNew && planned.dryRun)
  assert.is(await stat(bench.path('new')).catch(() => 'none'), 'none')
  const { file, isNew, changes } = await configure(bench, 'new', '--tier', 'ssd')
  assert.ok(isNew)
  const config = await read(file)
  for (const { path, value } of changes) assert.equal(valueAt(config, path), value, path)
  assert.equal(valueAt(config, 'informer.tags.tags'), { group: 'default', pool, tier: 'ssd' })
  assert.match(String(valueAt(config, 'cluster.secret')), /^[0-9a-f]{64}$/)
  const identity = await read(bench.path('new', 'identity.json'))
  assert.match(String(identity['id']), /^12D3KooW/)
  assert.is(Buffer.from(String(identity['private_key']), 'base64').length, 68)
  for (const name of ['service.json', 'identity.json']) {
    assert.is((await stat(bench.path('new', name))).mode & 0o777, 0o600)
  }
  assert.equal((await configure(bench, 'new', '--tier', 'ssd')).changes, [])
  assert.equal(await read(bench.path('new', 'identity.json')), identity)
})

test('the secret of the other peers is taken, and a wrong one refused', async ({ bench }) => {
  const args = ['cluster', 'configure', '--cluster', bench.path('secret')]
  const wrong = await bench.run(args, { env: { CLUSTER_SECRET: 'short' } })
  assert.is(wrong.code, 1)
  assert.match(wrong.stderr, /CLUSTER_SECRET must be 32 bytes in hex/)
  const secret = 'ab'.repeat(32)
  await bench.ok(args, { env: { CLUSTER_SECRET: secret } })
  assert.is(valueAt(await read(bench.path('secret', 'service.json')), 'cluster.secret'), secret)
})

test('what is there is amended: the rest stays, choices too', async ({ bench, pool }) => {
  const before = {
    cluster: { secret: 'x', replication_factor_min: 2 },
    allocator: { balanced: { allocate_by: ['tag:city', 'freespace'] } },
    informer: { tags: { tags: { city: 'Graz' } } },
    unknown: [1, 2]
  }
  const file = await write(bench, 'amended', before)
  const { isNew, changes } = await configure(bench, 'amended', '--rpc', '/ip4/10.0.0.1/tcp/5002')
  assert.is(isNew, false)
  assert.is(
    changes.find(({ path }) => path.startsWith('allocator')),
    undefined
  )
  const after = await read(file)
  assert.equal(after['cluster'], before.cluster)
  assert.equal(after['unknown'], [1, 2])
  assert.equal(after['allocator'], before.allocator)
  assert.equal(valueAt(after, 'informer.tags.tags'), { city: 'Graz', pool })
  assert.is(valueAt(after, 'ipfs_connector.ipfshttp.node_multiaddress'), '/ip4/10.0.0.1/tcp/5002')
  assert.is((await stat(file)).mode & 0o777, 0o600)
})

test('a peer with raft gets no section of crdt, which would stop it', async ({ bench }) => {
  const file = await write(bench, 'raft', { consensus: { raft: {} } })
  await configure(bench, 'raft')
  assert.equal((await read(file))['consensus'], { raft: {} })
})

test('what cannot be amended is left as it is, with a reason', async ({ bench }) => {
  const refusals: Array<[string, RegExp]> = [
    ['{', /service\.json is not JSON/],
    ['[]', /service\.json is not a JSON object/],
    ['{"source":"http://x/y"}', /takes its settings from http:\/\/x\/y: change them there/]
  ]
  for (const [text, message] of refusals) {
    const file = await write(bench, 'bad', text)
    const failed = await bench.fails(['cluster', 'configure', '--cluster', bench.path('bad')])
    assert.is(failed.code, 'ERR_CLUSTER_CONFIG')
    assert.match(failed.message, message)
    assert.is(await readFile(file, 'utf8'), text)
  }
  const none = ['--repo', bench.path('none'), 'cluster', 'configure']
  assert.match((await bench.run(none)).stderr, /there is no repo at .*none/)
})

test('the daemon that runs is the one that is asked', async ({ bench }) => {
  const { rpc } = await bench.startDaemon(['--offline'])
  const { file } = await configure(bench, 'running')
  const at = valueAt(await read(file), 'ipfs_connector.ipfshttp.node_multiaddress')
  assert.is(at, `/ip4/127.0.0.1/tcp/${rpc.split(':')[1]}`)
  await bench.stopDaemon()
})

test('docs/cluster.md explains each setting', async () => {
  const guide = await readFile(join(import.meta.dirname, '../../docs/cluster.md'), 'utf8')
  const place = { rpc: 'RPC', pool: 'POOL', tier: 'TIER' }
  for (const { path } of clusterSettings({}, place)) {
    assert.ok(guide.includes(`\`${path}\``), `docs/cluster.md says nothing of ${path}`)
  }
})

test.run()
