/** The trustless gateway against https://specs.ipfs.tech/http-gateways/trustless-gateway/. */
import type { OutgoingHttpHeaders } from 'node:http'
import * as assert from 'uvu/assert'
import { CID } from 'multiformats/cid'
import { readCar } from '../../src/unixfs/car-reader.ts'
import { verifyBlock } from '../../src/stores/verify-block.ts'
import { suite } from '../suite.ts'
import { call, lines, send, serveNode, type Answered, type Served } from './harness.ts'

interface Ids {
  root: string
  small: string
  big: string
  leaves: string[]
}

const test = suite<Served & Ids>('gateway')

const missing = 'bafkreiaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
const leaf = 262_144
// five leaves, the third the same as the first
const body = Buffer.concat([1, 2, 1, 4, 5].map(value => Buffer.alloc(leaf, value)))

test.before(async context => {
  Object.assign(context, await serveNode())
  const files = [
    { name: 'd/small.txt', body: 'small' },
    { name: 'd/sub/big', body },
    { name: 'd/sub/ü', body: 'u' }
  ]
  const added = lines<{ Name: string; Hash: string }>(
    await call(context.rpc, 'add?cid-version=1', files)
  )
  const at = (name: string) => added.find(line => line.Name === name)?.Hash ?? ''
  context.root = at('d')
  context.small = at('d/small.txt')
  context.big = at('d/sub/big')
  const refs = await call(context.rpc, `refs?arg=${context.big}`)
  context.leaves = lines<{ Ref: string }>(refs).map(({ Ref }) => Ref)
})
test.after(async ({ running }) => running.stop())

async function get(
  port: number,
  path: string,
  headers: OutgoingHttpHeaders = {},
  method = 'GET'
): Promise<Answered> {
  return send(port, { method, path, headers })
}

/** The CIDs of a CAR's blocks, after checking each. */
async function cids({ body, status }: Answered): Promise<string[]> {
  assert.is(status, 200)
  const source = (async function* () {
    yield body
  })()
  const car = await readCar(source, { blockBytesMax: 2 ** 22 })
  const found: string[] = []
  for await (const { cid, bytes } of car.blocks) {
    assert.ok(verifyBlock(cid, bytes))
    found.push(cid.toString())
  }
  return found
}

test('raw: the block, with the headers that caches and browsers need', async served => {
  const { gateway, small } = served
  for (const request of [
    { path: `/ipfs/${small}?format=raw`, headers: {} },
    { path: `/ipfs/${small}`, headers: { accept: 'application/vnd.ipld.raw' } },
    { path: `/ipfs/${small}?format=raw`, headers: { accept: 'application/vnd.ipld.car' } }
  ]) {
    const answer = await get(gateway, request.path, request.headers)
    assert.is(answer.status, 200)
    assert.is(answer.body.toString(), 'small')
    const { headers } = answer
    assert.is(headers['content-type'], 'application/vnd.ipld.raw')
    assert.is(headers['content-length'], '5')
    assert.is(headers['content-disposition'], `attachment; filename="${small}.bin"`)
    assert.is(headers['cache-control'], 'public, max-age=29030400, immutable')
    assert.is(headers['x-content-type-options'], 'nosniff')
    assert.is(headers['etag'], `"${small}.raw"`)
    assert.is(headers['access-control-allow-origin'], '*')
  }
  const negotiated = await get(gateway, `/ipfs/${small}`, { accept: 'application/vnd.ipld.raw' })
  assert.is(negotiated.headers['content-location'], `/ipfs/${small}?format=raw`)
})

test('HEAD says what GET would', async ({ gateway, small, root }) => {
  const raw = await get(gateway, `/ipfs/${small}?format=raw`, {}, 'HEAD')
  assert.is(raw.status, 200)
  assert.is(raw.headers['content-length'], '5')
  assert.is(raw.body.byteLength, 0)
  const car = await get(gateway, `/ipfs/${root}/sub?format=car`, {}, 'HEAD')
  assert.is(car.status, 200)
  assert.match(car.headers['content-type'] ?? '', /^application\/vnd.ipld.car; version=1/)
  assert.is((await get(gateway, `/ipfs/${missing}?format=raw`, {}, 'HEAD')).status, 404)
})

test('the probe of clients', async ({ gateway }) => {
  for (const method of ['GET', 'HEAD']) {
    const raw = await get(gateway, '/ipfs/bafkqaaa?format=raw', {}, method)
    assert.is(raw.status, 200)
    assert.is(raw.body.byteLength, 0)
  }
  const car = await get(gateway, '/ipfs/bafkqaaa?format=car')
  const content = await readCar(
    (async function* () {
      yield car.body
    })(),
    { blockBytesMax: 1000 }
  )
  assert.equal(content.roots.map(String), ['bafkqaaa'])
})

test('a request that asks for nothing verifiable', async ({ gateway, small }) => {
  const at = `/ipfs/${small}`
  assert.is((await get(gateway, at)).status, 400)
  assert.is((await get(gateway, at, { accept: '*/*' })).status, 400)
  assert.is((await get(gateway, at, { accept: 'text/html' })).status, 406)
  assert.is((await get(gateway, `${at}?format=tar`)).status, 406)
  assert.match((await get(gateway, at)).body.toString(), /\?format=raw/)
})

test('bad paths, missing blocks, other methods', async ({ gateway, small, root }) => {
  const status = async (path: string) => (await get(gateway, path)).status
  assert.is(await status('/ipfs/nonsense?format=raw'), 400)
  assert.is(await status('/ipfs/?format=raw'), 400)
  assert.is(await status('/ipfs/%ff?format=raw'), 400)
  assert.is(await status('/ipns/example.com?format=raw'), 501)
  assert.is(await status('/elsewhere'), 404)
  assert.is(await status(`/ipfs/${missing}?format=raw`), 404)
  assert.is(await status(`/ipfs/${missing}?format=car`), 404)
  assert.is(await status(`/ipfs/${root}/nope?format=car`), 404)
  assert.is(await status(`/ipfs/${root}/small.txt?format=raw`), 400)
  const post = await get(gateway, `/ipfs/${small}?format=raw`, {}, 'POST')
  assert.is(post.status, 405)
  assert.is(post.headers.allow, 'GET, HEAD, OPTIONS')
  assert.is((await get(gateway, `/ipfs/${small}`, {}, 'OPTIONS')).status, 204)
})

test('caches: If-None-Match and only-if-cached', async ({ gateway, small }) => {
  const path = `/ipfs/${small}?format=raw`
  const { etag = '' } = (await get(gateway, path)).headers
  for (const tag of [etag, `"other", ${etag}`, `W/${etag}`, '*']) {
    const answer = await get(gateway, path, { 'if-none-match': tag })
    assert.is(answer.status, 304)
    assert.is(answer.body.byteLength, 0)
  }
  assert.is((await get(gateway, path, { 'if-none-match': '"other"' })).status, 200)
  const cached = { 'cache-control': 'only-if-cached' }
  assert.is((await get(gateway, path, cached)).status, 200)
  assert.is((await get(gateway, `/ipfs/${missing}?format=raw`, cached)).status, 412)
})

test('etags tell apart what the parameters make different', async ({ gateway, root }) => {
  const tags = new Set<string>()
  const queries = ['', '&dag-scope=block', '&dag-scope=entity', '&car-dups=y', '&entity-bytes=0:5']
  for (const query of queries) {
    const { headers } = await get(gateway, `/ipfs/${root}?format=car${query}`, {}, 'HEAD')
    tags.add(String(headers['etag']))
  }
  tags.add(String((await get(gateway, `/ipfs/${root}/sub?format=car`, {}, 'HEAD')).headers['etag']))
  assert.is(tags.size, queries.length + 1)
})

test('car: all of it, depth first, the path before it', async served => {
  const { gateway, rpc, root, big, leaves } = served
  const whole = await get(gateway, `/ipfs/${root}?format=car`)
  assert.is(whole.headers['content-type'], 'application/vnd.ipld.car; version=1; order=dfs; dups=n')
  assert.is(whole.headers['content-disposition'], `attachment; filename="${root}.car"`)
  assert.equal(whole.body, (await call(rpc, `dag/export?arg=${root}`)).body)
  const below = await get(gateway, `/ipfs/${root}/sub/big?format=car`)
  const sub = lines<{ Cid: { '/': string } }>(await call(rpc, `dag/resolve?arg=${root}/sub`))[0]
  const unique = [...new Set(leaves)]
  assert.equal(await cids(below), [root, sub?.Cid['/'], big, ...unique])
  const duplicates = await get(gateway, `/ipfs/${big}`, {
    accept: 'application/vnd.ipld.car; version=1; order=dfs; dups=y'
  })
  assert.match(duplicates.headers['content-type'] ?? '', /dups=y$/)
  assert.equal(await cids(duplicates), [big, ...leaves])
  assert.is((await cids(await get(gateway, `/ipfs/${root}/sub/%C3%BC?format=car`))).length, 3)
})

test('dag-scope: a block, what a file or a listing needs, or all', async served => {
  const { gateway, root, big, leaves } = served
  const scope = async (cid: string, name: string) =>
    cids(await get(gateway, `/ipfs/${cid}?format=car&dag-scope=${name}`))
  assert.equal(await scope(root, 'block'), [root])
  assert.equal(await scope(root, 'entity'), [root])
  assert.equal(await scope(big, 'entity'), [big, ...new Set(leaves)])
  assert.equal(await scope(big, 'block'), [big])
  assert.is((await scope(root, 'all')).length, 4 + 1 + new Set(leaves).size)
})

test('entity-bytes: only the blocks of the range', async ({ gateway, big, leaves, root }) => {
  const range = async (bytes: string) =>
    cids(await get(gateway, `/ipfs/${big}?format=car&entity-bytes=${bytes}`))
  const [first, second, , fourth, fifth] = leaves
  assert.equal(await range('0:0'), [big, first])
  assert.equal(await range(`0:${leaf - 1}`), [big, first])
  assert.equal(await range(`${leaf - 1}:${leaf}`), [big, first, second])
  assert.equal(await range(`${3 * leaf}:*`), [big, fourth, fifth])
  assert.equal(await range('-1:*'), [big, fifth])
  assert.equal(await range(`-${leaf + 1}:-${leaf + 1}`), [big, fourth])
  assert.equal(await range(`${4 * leaf}:${99 * leaf}`), [big, fifth])
  const folder = await get(gateway, `/ipfs/${root}?format=car&entity-bytes=5:10`)
  assert.equal(await cids(folder), [root])
  const status = async (bytes: string) =>
    (await get(gateway, `/ipfs/${big}?format=car&entity-bytes=${bytes}`)).status
  assert.is(await status(`${5 * leaf}:*`), 400)
  for (const bad of ['', '5', 'a:b', '10:5', '*:5', '1:2:3']) assert.is(await status(bad), 400, bad)
})

test('a sharded folder: listed by its shards, found by one way through them', async served => {
  const { gateway, rpc } = served
  const files = Array.from({ length: 6000 }, (_, i) => ({
    name: `many/${String(i).padStart(60, 'n')}`,
    body: String(i)
  }))
  const added = lines<{ Hash: string }>(await call(rpc, 'add?cid-version=1', files))
  const many = added.at(-1)?.Hash ?? ''
  const listing = await cids(await get(gateway, `/ipfs/${many}?format=car&dag-scope=entity`))
  assert.ok(listing.length > 200 && listing.length < 6000)
  assert.ok(listing.every(cid => CID.parse(cid).code === 0x70))
  const one = await cids(await get(gateway, `/ipfs/${many}/${files[77]?.name.slice(5)}?format=car`))
  assert.ok(one.length <= 5, `${one.length} blocks`)
  assert.is(one[0], many)
})

test('versions, orders and scopes that there are not', async ({ gateway, root }) => {
  const status = async (query: string) =>
    (await get(gateway, `/ipfs/${root}?format=car&${query}`)).status
  for (const bad of ['car-version=2', 'car-order=bfs', 'car-dups=maybe', 'dag-scope=some']) {
    assert.is(await status(bad), 400, bad)
  }
  const fallback = await get(gateway, `/ipfs/${root}`, {
    accept: 'application/vnd.ipld.car;order=foo, application/vnd.ipld.car;order=dfs;dups=y;q=0.5'
  })
  assert.match(fallback.headers['content-type'] ?? '', /order=dfs; dups=y$/)
  const names = await get(gateway, `/ipfs/${root}?format=car&filename=t%C3%BCr%22.car`)
  assert.is(
    names.headers['content-disposition'],
    `attachment; filename="t_r_.car"; filename*=UTF-8''t%C3%BCr%22.car`
  )
})

test('a block that is missing below breaks the connection', async ({
  gateway,
  repo,
  big,
  leaves
}) => {
  await repo.blockstore.delete(CID.parse(leaves[4] ?? ''))
  const cut = await get(gateway, `/ipfs/${big}?format=car`)
  assert.is(cut.status, 200)
  assert.ok(cut.broken)
})

test.run()
