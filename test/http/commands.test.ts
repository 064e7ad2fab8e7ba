/** Each command's answers, in the shapes that a real Kubo 0.43.1 gave (see side-by-side.ts). */
import { base36 } from 'multiformats/bases/base36'
import { CID } from 'multiformats/cid'
import * as assert from 'uvu/assert'
import { suite } from '../suite.ts'
import { call, json, lines, message, serveNode, type SentFile, type Served } from './harness.ts'

const test = suite<Served>('rpc commands')

test.before(async context => {
  Object.assign(context, await serveNode())
})
test.after(async ({ running }) => running.stop())

const missing = 'bafkreiaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
const big = Uint8Array.from({ length: 600_000 }, (_, i) => (i * 7 + (i >> 8) * 13) & 255)
const tree: SentFile[] = [
  { name: 'd', type: 'application/x-directory' },
  { name: 'd/a.txt', body: 'hi\n' },
  { name: 'd/e', type: 'application/x-directory' },
  { name: 'd/e/big', body: big },
  { name: 'd/l', body: 'a.txt', type: 'application/symlink' }
]
const aTxt = 'QmZLRFWaz9Kypt2ACNMDzA5uzACDRiCqwdkNSP1UZsu56D'
const link = 'QmS9U51FvTAqDDVLJ5okMzeLjsEeg8JEG1rPmSq2oPahF6'

interface Added {
  Name: string
  Hash: string
  Size: string
}

async function addTree(rpc: number): Promise<string> {
  const added = lines<Added>(await call(rpc, 'add?pin=false', tree))
  return added.at(-1)?.Hash ?? ''
}

test('add: events in order, sizes with all framing, version 0 by default', async ({ rpc }) => {
  const answer = await call(rpc, 'add', tree)
  assert.is(answer.headers['x-chunked-output'], '1')
  assert.is(answer.headers['content-type'], 'application/json')
  const added = lines<Added>(answer)
  assert.equal(
    added.map(line => line.Name),
    ['d/a.txt', 'd/e/big', 'd/l', 'd/e', 'd']
  )
  assert.equal(added[0], { Name: 'd/a.txt', Hash: aTxt, Size: '11' })
  assert.ok(added.every(({ Hash }) => Hash.startsWith('Qm')))
})

test('add: progress, wrapping, names of files without one', async ({ rpc }) => {
  const file = [{ name: 'f', body: big }]
  const progress = lines(await call(rpc, 'add?progress=true&cid-version=1', file))
  assert.equal(progress.slice(0, -1), [
    { Name: 'f', Bytes: 262_144 },
    { Name: 'f', Bytes: 524_288 },
    { Name: 'f', Bytes: 600_000 }
  ])
  const wrapped = lines<Added>(await call(rpc, 'add?wrap-with-directory=true', file))
  assert.equal(
    wrapped.map(line => line.Name),
    ['f', '']
  )
  const [unnamed] = lines<Added>(await call(rpc, 'add', [{ name: '', body: 'x' }]))
  assert.is(unnamed?.Name, unnamed?.Hash)
})

test('add: only-hash stores nothing, pins by default', async ({ rpc }) => {
  const [hashed] = lines<Added>(
    await call(rpc, 'add?only-hash=true', [{ name: 'x', body: 'never stored' }])
  )
  assert.match(await message(rpc, `block/get?arg=${hashed?.Hash}`), /^500 block was not found/)
  const [kept] = lines<Added>(
    await call(rpc, 'add?pin-name=mine', [{ name: 'x', body: 'stored and pinned' }])
  )
  const { Keys } = await json<{ Keys: object }>(rpc, `pin/ls?arg=${kept?.Hash}&names=true`)
  assert.equal(Keys, { [kept?.Hash ?? '']: { Type: 'recursive', Name: 'mine' } })
})

test('add: what would change CIDs and is not done is refused', async ({ rpc }) => {
  const file = [{ name: 'x', body: 'abc' }]
  for (const option of ['trickle=true', 'mode=0644', 'mtime=1', 'nocopy=true', 'to-files=/']) {
    assert.match(await message(rpc, `add?${option}`, file), /^500 option ".*" is not supported/)
  }
  assert.match(await message(rpc, 'add?chunker=rabin', file), /^500 chunker "rabin" is not supp/)
  assert.is(await message(rpc, 'add?hash=nope', file), '500 unrecognized hash function: "nope"')
})

test('cat: ranges over several files, symlinks, folders refused', async ({ rpc }) => {
  const root = await addTree(rpc)
  const part = await call(rpc, `cat?arg=${root}/e/big&offset=262100&length=100`)
  assert.is(part.headers['x-content-length'], '100')
  assert.is(part.headers['content-type'], 'text/plain')
  assert.equal(part.body, Buffer.from(big.subarray(262_100, 262_200)))
  const both = await call(rpc, `cat?arg=${root}/e/big&arg=${root}/a.txt&offset=599999&length=3`)
  assert.equal(both.body, Buffer.concat([big.subarray(599_999), Buffer.from('hi')]))
  assert.is((await call(rpc, `cat?arg=${root}/l`)).body.toString(), 'a.txt')
  assert.is(await message(rpc, `cat?arg=${root}`), '500 this dag node is a directory')
  assert.is(await message(rpc, `cat?arg=${root}&offset=-1`), '500 cannot specify negative offset')
})

test('ls: one object an argument, or one line an entry', async ({ rpc }) => {
  const root = await addTree(rpc)
  const none = { Target: '', Mode: 0, ModTime: '0001-01-01T00:00:00Z' }
  const expected = [
    { Name: 'a.txt', Hash: aTxt, Size: 3, Type: 2, ...none },
    { Name: 'e', Size: 0, Type: 1, ...none },
    { Name: 'l', Hash: link, Size: 5, Type: 4, ...none, Target: 'a.txt' }
  ]
  const { Objects } = await json<{ Objects: Array<{ Hash: string; Links: object[] }> }>(
    rpc,
    `ls?arg=${root}`
  )
  assert.is(Objects[0]?.Hash, root)
  assert.equal(
    Objects[0]?.Links,
    expected.map((entry, i) => ({ ...Objects[0]?.Links[i], ...entry }))
  )
  const streamed = lines<{ Objects: typeof Objects }>(await call(rpc, `ls?arg=${root}&stream=true`))
  assert.equal(
    streamed.map(line => line.Objects[0]?.Links[0]),
    Objects[0]?.Links
  )
})

test('refs: direct, recursive, unique, edges', async ({ rpc }) => {
  const root = await addTree(rpc)
  const refs = async (options: string) =>
    lines<{ Ref: string }>(await call(rpc, `refs?arg=${root}${options}`)).map(({ Ref }) => Ref)
  assert.is((await refs('')).length, 3)
  const all = await refs('&recursive=true&unique=true')
  assert.is(all.length, new Set(all).size)
  assert.equal((await refs('&recursive=true&max-depth=1')).length, 3)
  assert.is((await refs('&edges=true'))[0], `${root} -> ${aTxt}`)
})

test('block: put, several at once, stat, get, rm', async ({ rpc }) => {
  const key = 'bafkreif2pall7dybz7vecqka3zo24irdwabwdi4wc55jznaq75q7eaavvu'
  const put = await call(rpc, 'block/put', [
    { name: 'f', body: 'abc' },
    { name: 'g', body: '' }
  ])
  assert.equal(lines(put), [
    { Key: key, Size: 3 },
    { Key: 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku', Size: 0 }
  ])
  assert.equal(await json(rpc, `block/stat?arg=${key}`), { Key: key, Size: 3 })
  const got = await call(rpc, `block/get?arg=${key}`)
  assert.is(got.headers['content-type'], 'application/vnd.ipld.raw')
  assert.is(got.body.toString(), 'abc')
  assert.equal(lines(await call(rpc, `block/rm?arg=${key}`)), [{ Hash: key }])
  const Error = `ipld: could not find ${key}`
  assert.equal(lines(await call(rpc, `block/rm?arg=${key}`)), [{ Hash: key, Error }])
  assert.equal(lines(await call(rpc, `block/rm?arg=${key}&force=true&quiet=true`)), [])
})

test('block/rm: not what is pinned, itself or from above', async ({ rpc }) => {
  const root = lines<Added>(await call(rpc, 'add', tree)).at(-1)?.Hash
  assert.equal(lines(await call(rpc, `block/rm?arg=${root}&arg=${aTxt}`)), [
    { Hash: root, Error: 'pinned: recursive' },
    { Hash: aTxt, Error: `pinned via ${root}` }
  ])
})

test('block: over 2 MiB only when asked, over 4 MiB never', async ({ rpc }) => {
  const of = (length: number) => [{ name: 'f', body: new Uint8Array(length) }]
  assert.match(await message(rpc, 'block/put', of(2_500_000)), /^500 produced block is over 2MiB/)
  assert.is((await call(rpc, 'block/put?allow-big-block=true', of(2_500_000))).status, 200)
  const refused = await message(rpc, 'block/put?allow-big-block=true', of(5_000_000))
  assert.match(refused, /^500 the block is over the largest/)
})

test('dag: put, get with a path, codecs', async ({ rpc }) => {
  const body = JSON.stringify({ b: 1, a: { '/': 'bafkqablimvwgy3y' }, c: [1, { x: '<&>' }] })
  const put = await json<{ Cid: { '/': string } }>(rpc, 'dag/put', [{ name: 'f', body }])
  const cid = put.Cid['/']
  const got = await call(rpc, `dag/get?arg=${cid}`)
  assert.is(got.body.toString(), '{"a":{"/":"bafkqablimvwgy3y"},"b":1,"c":[1,{"x":"<&>"}]}')
  assert.is((await call(rpc, `dag/get?arg=${cid}/c/1/x`)).body.toString(), '"<&>"')
  assert.is(await message(rpc, `dag/get?arg=${cid}/zz`), '500 key not found: "zz"')
  assert.is((await call(rpc, `cat?arg=${cid}/a`)).body.toString(), 'hello')
  assert.equal(await json(rpc, `dag/resolve?arg=${cid}/c/1`), {
    Cid: { '/': cid },
    RemPath: '/c/1'
  })
  assert.is(
    await message(rpc, 'dag/put?store-codec=nope', [{ name: 'f', body }]),
    '500 unknown multicodec: "nope"'
  )
})

test('pins: add, list, remove, progress', async ({ rpc }) => {
  // of its own, because what another pin covers is not visited again
  const own = [{ name: 'd/e/big', body: Buffer.alloc(600_000, 7) }]
  const root = lines<Added>(await call(rpc, 'add?pin=false', own)).at(-1)?.Hash ?? ''
  const at = `${root}/e`
  const pinned = lines<Record<string, unknown>>(await call(rpc, `pin/add?arg=${at}&progress=true`))
  const cid = (pinned.at(-1)?.['Pins'] as string[])[0] ?? ''
  // two of the file's three leaves are the same block
  assert.equal(pinned.at(-2)?.['Progress'], 4)
  const listed = await call(rpc, `pin/ls?arg=${cid}&stream=true&type=recursive`)
  assert.equal(lines(listed), [{ Cid: cid, Type: 'recursive' }])
  assert.is(
    await message(rpc, `pin/add?arg=${cid}&recursive=false`),
    `500 pin: ${cid} already pinned recursively`
  )
  assert.equal(await json(rpc, `pin/rm?arg=${cid}`), { Pins: [cid] })
  assert.is(await message(rpc, `pin/rm?arg=${cid}`), '500 not pinned or pinned indirectly')
  assert.is(await message(rpc, `pin/ls?arg=${missing}`), `500 path '${missing}' is not pinned`)
  assert.is(
    await message(rpc, `pin/add?arg=${missing}`),
    `500 pin: block was not found locally (offline): ipld: could not find ${missing}`
  )
})

test('repo: stat, verify, version', async ({ rpc }) => {
  const stat = await json(rpc, 'repo/stat')
  assert.equal(Object.keys(stat), ['RepoSize', 'StorageMax', 'NumObjects', 'RepoPath', 'Version'])
  const { NumObjects, RepoPath, Version } = await json(rpc, 'repo/stat?size-only=true')
  assert.equal({ NumObjects, RepoPath, Version }, { NumObjects: 0, RepoPath: '', Version: '' })
  assert.equal(lines(await call(rpc, 'repo/verify')).at(-1), {
    Msg: 'verify complete, all blocks validated.',
    Progress: 0
  })
  assert.equal(await json(rpc, 'repo/version'), { Version: '18' })
})

test('id, version, config, peers of an offline node', async ({ rpc }) => {
  const id = await json<{ ID: string }>(rpc, 'id')
  assert.match(id.ID, /^12D3KooW/)
  assert.match(String((await json(rpc, 'id'))['AgentVersion']), /^ipfs-zfs\//)
  assert.equal(await json(rpc, `id?arg=${id.ID}`), id)
  assert.equal(Object.keys(await json(rpc, 'version')), [
    'Version',
    'Commit',
    'Repo',
    'System',
    'Golang'
  ])
  assert.ok((await json(rpc, 'config/show'))['Identity'])
  assert.match(await message(rpc, 'swarm/peers'), /^500 this action must be run in online mode/)
  assert.is(await message(rpc, 'shutdown'), '400 daemon not running')
})

test('zfs: snapshots, stat, verify, compact', async ({ rpc }) => {
  const made = await json(rpc, 'zfs/snapshot/create?arg=before')
  assert.equal(made, {
    Name: 'before',
    Created: '1970-01-01T00:00:00.000Z',
    UsedBytes: 1,
    ReferencedBytes: 2
  })
  assert.equal(lines(await call(rpc, 'zfs/snapshot/list')), [made])
  assert.equal(await json(rpc, 'zfs/snapshot/rollback?arg=before'), { Name: 'before' })
  assert.equal(await json(rpc, 'zfs/snapshot/destroy?arg=before'), { Name: 'before' })
  assert.is(await message(rpc, 'zfs/snapshot/destroy?arg=before'), '500 no snapshot before')
  assert.ok((await json(rpc, 'zfs/repo/stat'))['AllocatedBytes'])
  const [report] = lines(await call(rpc, 'zfs/repo/verify?scrub=false')).slice(-1)
  assert.is((report?.['Report'] as { Ok: boolean }).Ok, true)
  assert.equal(await json(rpc, 'zfs/repo/compact'), { FreedBytes: 0 })
})

test('resolve: to the CID at the end, in the base of the path', async ({ rpc }) => {
  const root = await addTree(rpc)
  const path = async (given: string) =>
    (await json<{ Path: string }>(rpc, `resolve?arg=${encodeURIComponent(given)}`)).Path
  assert.is(await path(`/ipfs/${root}/a.txt`), `/ipfs/${aTxt}`)
  assert.is(await path(root), `/ipfs/${root}`)
  assert.is(await path(`ipfs://${root}/a.txt`), `/ipfs/${aTxt}`)
  const v1 = CID.parse(root).toV1()
  assert.match(await path(`/ipfs/${v1.toString(base36)}`), /^\/ipfs\/k/)
  const put = await call(rpc, 'dag/put', [{ name: 'f', body: '{"a":{"b":1}}' }])
  const { Cid } = JSON.parse(put.body.toString()) as { Cid: { '/': string } }
  assert.is(await path(`/ipld/${Cid['/']}/a/b`), `/ipld/${Cid['/']}/a/b`)
  assert.match(await message(rpc, `resolve?arg=${root}/nope`), /^500 no link named "nope" under/)
  assert.match(await message(rpc, 'resolve?arg=/ipns/example.org'), /this node has no name system/)
})

test('config: one value, or all that there is', async ({ rpc }) => {
  const { Datastore } = await json<{ Datastore: { StorageMax: string } }>(rpc, 'config/show')
  assert.equal(await json(rpc, 'config?arg=Datastore.StorageMax'), {
    Key: 'Datastore.StorageMax',
    Value: Datastore.StorageMax
  })
  assert.is(
    await message(rpc, 'config?arg=Datastore.Nope.x'),
    '500 failed to get config value: "Datastore.Nope not found"'
  )
  assert.match(await message(rpc, 'config?arg=Identity'), /cannot show or change private key/)
  assert.match(await message(rpc, 'config?arg=A&arg=b'), /^400 this node is configured by/)
})

test('block/put: many in one request, answered in order', async ({ rpc }) => {
  const files = Array.from({ length: 3000 }, (_, i) => ({ name: `${i}`, body: `block ${i}` }))
  const put = lines<{ Key: string; Size: number }>(
    await call(rpc, 'block/put?allow-big-block=true&cid-codec=raw&mhlen=32&mhtype=sha2-256', files)
  )
  assert.equal(
    put.map(({ Size }) => Size),
    files.map(({ body }) => body.length)
  )
  for (const at of [0, 1499, 2999]) {
    const block = await call(rpc, `block/get?arg=${put[at]?.Key}`)
    assert.is(block.body.toString(), `block ${at}`)
  }
})

test('CIDs in the base that is asked for', async ({ rpc }) => {
  const file = [{ name: 'x', body: 'abc' }]
  const [hex] = lines<Added>(await call(rpc, 'add?cid-base=base16&cid-version=1', file))
  assert.match(hex?.Hash ?? '', /^f01551220/)
  assert.is((await call(rpc, `cat?arg=${hex?.Hash}`)).body.toString(), 'abc')
})

test.run()
