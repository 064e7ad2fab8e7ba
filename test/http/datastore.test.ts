import { stat } from 'node:fs/promises'
import { sha256 } from 'multiformats/hashes/sha2'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { base32Length, encodeBase32 } from '../../src/http/datastore/base32.ts'
import { ownerOfBlocks } from '../../src/http/datastore/namespaces.ts'
import { batchBody, parseFrames, rig, type Rig } from './datastore/client.ts'

async function keyOf(content: string): Promise<string> {
  const { bytes } = await sha256.digest(Buffer.from(content))
  const letters = Buffer.alloc(base32Length(bytes.byteLength))
  encodeBase32(bytes, letters, 0)
  return letters.toString()
}

function valuePath(namespace: string, key: string): string {
  return `/v1/namespaces/${namespace}/value?key=${encodeURIComponent(key)}`
}

async function count(list: AsyncIterable<unknown> | Iterable<unknown>): Promise<number> {
  let n = 0
  for await (const item of list) n += item == null ? 0 : 1
  return n
}

async function within(
  work: (r: Rig) => Promise<void>,
  options?: Parameters<typeof rig>[0]
): Promise<void> {
  const r = await rig(options)
  try {
    await work(r)
  } finally {
    await r.close()
  }
}

test('only its owner can use the socket', () =>
  within(async ({ socket }) => {
    assert.is((await stat(socket)).mode & 0o777, 0o600)
  }))

test('says its versions and limits', () =>
  within(async ({ call }) => {
    const { status, json } = await call('GET', '/')
    assert.is(status, 200)
    assert.equal(json['versions'], [1])
    assert.is(json['maxBytes'], 1_000_000_000)
    assert.is((json['limits'] as Record<string, unknown>)['blockBytes'], 4 * 1024 * 1024)
  }))

test('a namespace is made once, listed, and destroyed with its records', () =>
  within(async ({ call, stores }) => {
    assert.is((await call('PUT', '/v1/namespaces/a?layout=records')).status, 201)
    assert.is((await call('PUT', '/v1/namespaces/a?layout=records')).status, 200)
    assert.is((await call('PUT', '/v1/namespaces/b?layout=records')).status, 201)
    await call('PUT', valuePath('a', '/x'), 'of a')
    await call('PUT', valuePath('b', '/x'), 'of b')
    const { json } = await call('GET', '/v1/namespaces')
    assert.equal(
      (json['namespaces'] as Array<{ name: string }>).map(({ name }) => name),
      ['a', 'b']
    )
    assert.is((await call('DELETE', '/v1/namespaces/a')).status, 204)
    assert.is((await call('GET', '/v1/namespaces/a')).status, 404)
    assert.is((await call('GET', valuePath('b', '/x'))).body.toString(), 'of b')
    await call('PUT', '/v1/namespaces/a?layout=records')
    assert.is((await call('GET', valuePath('a', '/x'))).status, 404)
    assert.is(await ownerOfBlocks(stores.records), undefined)
  }))

test('blocks go to the block store in both layouts, all else to records', async () => {
  for (const [layout, prefix] of [
    ['blocks', ''],
    ['root', '/blocks']
  ] as const) {
    await within(async ({ call, stores }) => {
      await call('PUT', `/v1/namespaces/n?layout=${layout}`)
      const records = await count(stores.records.query({}))
      const block = `${prefix}/${await keyOf('block')}`
      const lower = block.replace(/[^/]+$/, name => name.toLowerCase())
      for (const [key, value] of [
        [block, 'block'],
        [lower, 'not the key of a block'],
        [`${block}/below`, 'below']
      ] as const) {
        assert.is((await call('PUT', valuePath('n', key), value)).status, 204)
        const head = await call('HEAD', valuePath('n', key))
        assert.is(head.headers['content-length'], String(value.length))
        assert.is((await call('GET', valuePath('n', key))).body.toString(), value)
      }
      assert.is(await count(stores.blocks.getAll()), 1)
      assert.is(await count(stores.records.query({})), records + 2)
      assert.is((await ownerOfBlocks(stores.records))?.name, 'n')
      const listed = parseFrames((await call('POST', '/v1/namespaces/n/query', '{}')).body)
      assert.equal(listed.end, { complete: 3 })
      assert.equal(
        new Set(listed.entries.map(({ key }) => key)),
        new Set([block, lower, `${block}/below`])
      )
      assert.is((await call('DELETE', valuePath('n', block))).status, 204)
      assert.is((await call('GET', valuePath('n', block))).status, 404)
      assert.is(await count(stores.blocks.getAll()), 0)
    })
  }
})

test('a batch counts the last operation on a key, in one transaction and one deleteMany', () =>
  within(async ({ call, stores }) => {
    await call('PUT', '/v1/namespaces/n?layout=blocks')
    const [kept, gone] = [`/${await keyOf('kept')}`, `/${await keyOf('gone')}`]
    await call('PUT', valuePath('n', gone), 'gone')
    const body = batchBody([
      [kept, 'kept'],
      ['/r', 'first'],
      ['/r', ''],
      ['/s', 'put'],
      ['/s'],
      [gone]
    ])
    assert.is((await call('POST', '/v1/namespaces/n/batch', body)).status, 204)
    const listed = parseFrames((await call('POST', '/v1/namespaces/n/query', '{}')).body)
    assert.equal(
      listed.entries.map(({ key, value }) => [key, value]),
      [
        ['/r', ''],
        [kept, 'kept']
      ]
    )
    assert.is(stores.blocks.deleteBatches, 1)
  }))

test('a query filters, orders and cuts; an error after the start is in the last frame', () =>
  within(async ({ call, stores }) => {
    await call('PUT', '/v1/namespaces/n?layout=records')
    const puts = Array.from({ length: 2000 }, (_, i): [string, string] => [
      `/a/${String(i).padStart(4, '0')}`,
      'v'.repeat(100)
    ])
    await call('POST', '/v1/namespaces/n/batch', batchBody([...puts, ['/ab/x', '1'], ['/a', '2']]))
    const query = async (q: object) =>
      parseFrames((await call('POST', '/v1/namespaces/n/query', JSON.stringify(q))).body)
    assert.is((await query({ prefix: '/a', keysOnly: true })).entries.length, 2000)
    const cut = await query({
      prefix: '/a/',
      keysOnly: true,
      orders: [{ by: 'key', descending: true }],
      offset: 1,
      limit: 2
    })
    assert.equal(cut.entries, [{ key: '/a/1998' }, { key: '/a/1997' }])
    const key = Buffer.from('/a/1990').toString('base64')
    const filters = [{ kind: 'key', op: '>', key }]
    assert.is((await query({ filters, prefix: '/a' })).entries.length, 9)

    const { records } = stores
    const all = records.query.bind(records)
    records.query = async function* (...args) {
      let n = 0
      for await (const pair of all(...args)) {
        if (n++ === 1500) throw Object.assign(new Error('bad sector'), { code: 'ERR_IO' })
        yield pair
      }
    }
    const failed = await query({ prefix: '/a' })
    assert.is(failed.entries.length, 1500)
    assert.equal(failed.end, { failed: { code: 'ERR_IO', message: 'bad sector' } })
  }))

test('sync flushes once for what was written, and not again', () =>
  within(async ({ call, stores }) => {
    await call('PUT', '/v1/namespaces/n?layout=records')
    const before = stores.flushes
    const sync = () => call('POST', '/v1/namespaces/n/sync')
    await sync()
    assert.is(stores.flushes, before)
    await call('PUT', valuePath('n', '/a'), '1')
    await Promise.all([sync(), sync(), sync()])
    assert.is(stores.flushes, before + 1)
    await call('DELETE', valuePath('n', '/a'))
    assert.is((await sync()).status, 204)
    assert.is(stores.flushes, before + 2)
  }))

test('usage is by layout; gc tells what snapshots hold', () =>
  within(async ({ call, stores }) => {
    await call('PUT', '/v1/namespaces/b?layout=blocks')
    await call('PUT', '/v1/namespaces/r?layout=records')
    assert.equal((await call('GET', '/v1/namespaces/b/usage')).json, { bytes: 300 })
    assert.equal((await call('GET', '/v1/namespaces/r/usage')).json, { bytes: 20 })
    const created = new Date('2026-11-24T22:31:05Z')
    stores.collected = {
      heldBytes: 2,
      snapshots: [{ name: 's', created, usedBytes: 2 }]
    }
    const { json } = await call('POST', '/v1/namespaces/b/gc')
    assert.equal(json, JSON.parse(JSON.stringify(stores.collected)))
  }))

test.run()
