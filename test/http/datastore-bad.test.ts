import { connect, type Socket } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { batchBody, call as callAny, rig, type Rig } from './datastore/client.ts'

const TOKEN = 'a token of sixteen or more'.replaceAll(' ', '-')

async function within(
  work: (r: Rig) => Promise<void>,
  options?: Parameters<typeof rig>[0]
): Promise<void> {
  const r = await rig(options)
  try {
    await r.call('PUT', '/v1/namespaces/n?layout=records', undefined)
    await work(r)
  } finally {
    await r.close()
  }
}

async function recordsIn({ stores }: Rig): Promise<number> {
  let n = 0
  for await (const key of stores.records.queryKeys({ prefix: '/ipfs-zfs/remote/data/' })) {
    n += key.toString().length > 0 ? 1 : 0
  }
  return n
}

const VALUE = '/v1/namespaces/n/value?key='

test('each mistake has a status and a code', () =>
  within(async ({ call }) => {
    const mistakes: Array<[method: string, path: string, status: number, code: string]> = [
      ['GET', '/v2/namespaces', 400, 'ERR_VERSION'],
      ['GET', '/v1/nothing', 404, 'ERR_NO_ROUTE'],
      ['GET', '/v1/namespaces/n/value/x', 404, 'ERR_NO_ROUTE'],
      ['POST', '/v1/namespaces/n/value?key=/a', 405, 'ERR_METHOD'],
      ['GET', '/v1/namespaces/none/value?key=/a', 404, 'ERR_UNKNOWN_NAMESPACE'],
      ['POST', '/v1/namespaces/none/sync', 404, 'ERR_UNKNOWN_NAMESPACE'],
      ['PUT', '/v1/namespaces/n?layout=blocks', 409, 'ERR_LAYOUT'],
      ['PUT', '/v1/namespaces/m', 400, 'ERR_LAYOUT'],
      ['PUT', '/v1/namespaces/.m?layout=records', 400, 'ERR_MALFORMED_NAMESPACE'],
      ['PUT', '/v1/namespaces/a%2Fb?layout=records', 400, 'ERR_MALFORMED_NAMESPACE'],
      ['GET', '/v1/namespaces/n/value', 400, 'ERR_MALFORMED_KEY'],
      ['GET', `${VALUE}`, 400, 'ERR_MALFORMED_KEY'],
      ['GET', `${VALUE}a`, 400, 'ERR_MALFORMED_KEY'],
      ['GET', `${VALUE}/a/`, 400, 'ERR_MALFORMED_KEY'],
      ['GET', `${VALUE}/a%2`, 400, 'ERR_MALFORMED_KEY'],
      ['GET', `${VALUE}/a%zz`, 400, 'ERR_MALFORMED_KEY'],
      ['GET', `${VALUE}/${'a'.repeat(4096)}`, 400, 'ERR_MALFORMED_KEY'],
      ['GET', `${VALUE}/absent`, 404, 'ERR_NOT_FOUND']
    ]
    for (const [method, path, status, code] of mistakes) {
      const reply = await call(method, path)
      assert.is(reply.status, status, `${method} ${path}`)
      assert.is(reply.json['code'], code, `${method} ${path}`)
      assert.is(reply.headers['ipfs-zfs-error'], code)
      assert.ok(String(reply.json['message']).length > 5)
    }
    const head = await call('HEAD', `${VALUE}/absent`)
    assert.is(head.status, 404)
    assert.is(head.headers['ipfs-zfs-error'], 'ERR_NOT_FOUND')
  }))

test('a malformed batch changes nothing', () =>
  within(async r => {
    const good = batchBody([
      ['/a', '1'],
      ['/b', '2']
    ])
    const with_ = (at: number, byte: number): Buffer => {
      const bad = Buffer.from(good)
      bad[at] = byte
      return bad
    }
    const bodies: Array<[why: string, body: Uint8Array]> = [
      ['empty', Buffer.alloc(0)],
      ['unknown kind', with_(0, 7)],
      ['key longer than the body', with_(1, 255)],
      ['value longer than the body', with_(3, 255)],
      ['key without a slash', with_(7, 0x61)],
      ['another count at the end', with_(good.length - 1, 3)],
      ['bytes after the end', Buffer.concat([good, Buffer.from('x')])],
      ['a delete with a value', with_(0, 2)]
    ]
    for (let length = 1; length < good.length; length++) {
      bodies.push([`cut to ${length}`, good.subarray(0, length)])
    }
    for (const [why, body] of bodies) {
      const { status, json } = await r.call('POST', '/v1/namespaces/n/batch', body)
      assert.is(status, 400, why)
      assert.match(String(json['code']), /^ERR_MALFORMED_(BATCH|KEY)$/, why)
      assert.is(await recordsIn(r), 0, why)
    }
    assert.is((await r.call('POST', '/v1/namespaces/n/batch', good)).status, 204)
    assert.is(await recordsIn(r), 2)
  }))

test('a malformed query is refused', () =>
  within(async ({ call }) => {
    for (const q of [
      '',
      '[]',
      '{',
      '{"prefix":1}',
      '{"prefix":"a"}',
      '{"limit":-1}',
      '{"limit":1.5}',
      '{"unknown":1}',
      '{"orders":[{"by":"size"}]}',
      '{"filters":[{"kind":"key","op":"~","key":"/a"}]}',
      '{"filters":[{"kind":"key","op":"==","key":"not base64!"}]}',
      '{"keysOnly":"yes"}'
    ]) {
      const { status, json } = await call('POST', '/v1/namespaces/n/query', q)
      assert.is(status, 400, q)
      assert.is(json['code'], 'ERR_MALFORMED_QUERY', q)
    }
  }))

test('a value over the limit is refused, and the connection goes on', () =>
  within(
    async r => {
      const large = await r.call('PUT', `${VALUE}/a`, Buffer.alloc(1001))
      assert.is(large.status, 413)
      assert.equal([large.json['code'], large.json['maxBytes']], ['ERR_TOO_LARGE', 1000])
      const batch = batchBody([
        ['/ok', '1'],
        ['/a', Buffer.alloc(1001)]
      ])
      const inBatch = await r.call('POST', '/v1/namespaces/n/batch', batch)
      assert.equal([inBatch.status, inBatch.json['code']], [413, 'ERR_TOO_LARGE'])
      const many = await r.call('POST', '/v1/namespaces/n/batch', Buffer.alloc(5001))
      assert.is(many.status, 413)
      assert.is(await recordsIn(r), 0)
      assert.is((await r.call('PUT', `${VALUE}/a`, Buffer.alloc(1000))).status, 204)
    },
    { limits: { valueBytes: 1000, batchBytes: 5000 } }
  ))

test('a body that is cut off changes nothing', () =>
  within(async r => {
    const head = `PUT ${VALUE}/a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n`
    assert.match(await r.raw(`${head}only this`), /^HTTP\/1.1 400 [^]*"code":"ERR_/)
    const batch = batchBody([['/a', '1']])
    const path = 'POST /v1/namespaces/n/batch HTTP/1.1\r\nHost: x\r\n'
    const cut = `${path}Content-Length: ${batch.length + 50}\r\n\r\n`
    assert.match(await r.raw(Buffer.concat([Buffer.from(cut), batch])), /^HTTP\/1.1 400 /)
    const chunked = await r.raw(
      `${path}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n`
    )
    assert.match(chunked, /^HTTP\/1.1 411 [^]*ERR_LENGTH_REQUIRED/)
    assert.match(await r.raw('nonsense\r\n\r\n'), /^HTTP\/1.1 400 [^]*ERR_MALFORMED_REQUEST/)
    assert.is(await recordsIn(r), 0)
  }))

test('without the right token nothing is answered', async () => {
  const r = await rig({ listen: { host: '127.0.0.1', port: 0 }, token: TOKEN })
  try {
    const { address } = r.server
    if (!('port' in address)) throw new Error('it listens elsewhere')
    const get = (headers: Record<string, string>) =>
      callAny({ ...address, path: '/v1/namespaces', headers })
    for (const headers of [
      {},
      { authorization: `Bearer ${TOKEN}x` },
      { authorization: `Basic ${TOKEN}` },
      { authorization: 'Bearer' }
    ]) {
      const { status, json, headers: got } = await get(headers)
      assert.equal([status, json['code']], [401, 'ERR_UNAUTHORIZED'])
      assert.is(got['www-authenticate'], 'Bearer')
    }
    assert.is((await get({ authorization: `Bearer ${TOKEN}` })).status, 200)
  } finally {
    await r.close()
  }
  try {
    await rig({ listen: { host: '127.0.0.1', port: 0 } })
    assert.unreachable('it listened on a port without a token')
  } catch (error) {
    assert.match(String(error), /needs a token/)
  }
})

test('a failing store is told, and nothing of the batch is left', () =>
  within(async r => {
    const { records } = r.stores
    const batch = records.batch.bind(records)
    records.batch = () => ({
      ...batch(),
      commit: async () => {
        throw Object.assign(new Error('the pool is full'), { code: 'ERR_NO_SPACE' })
      }
    })
    const reply = await r.call('POST', '/v1/namespaces/n/batch', batchBody([['/a', '1']]))
    assert.equal([reply.status, reply.json['code']], [507, 'ERR_NO_SPACE'])
    assert.is(await recordsIn(r), 0)
  }))

async function slowClients(socket: string, count: number, send: string): Promise<Socket[]> {
  const sockets: Socket[] = []
  for (let i = 0; i < count; i++) {
    sockets.push(
      await new Promise<Socket>((resolve, reject) => {
        const s = connect({ path: socket })
        s.on('error', reject)
        s.on('connect', () => {
          s.write(send)
          resolve(s)
        })
      })
    )
  }
  return sockets
}

test('slow clients are told so and let go; others are served meanwhile', () =>
  within(
    async r => {
      const line = `PUT ${VALUE}/slow HTTP/1.1\r\nHost: x\r\n`
      const heads = await slowClients(r.socket, 60, line)
      const bodies = await slowClients(r.socket, 60, `${line}Content-Length: 100000\r\n\r\nabc`)
      const answers = [...heads, ...bodies].map(
        socket =>
          new Promise<string>(resolve => {
            let got = ''
            socket.on('data', (piece: Buffer) => (got += piece.toString()))
            socket.on('close', () => resolve(got))
          })
      )
      assert.is((await r.call('PUT', `${VALUE}/fast`, 'now')).status, 204)
      for (const answer of await Promise.all(answers)) {
        assert.match(answer, /^HTTP\/1.1 408 [^]*"code":"ERR_TIMEOUT"/)
      }
      assert.is(await recordsIn(r), 1)
    },
    { limits: { headersMs: 500, bodyMs: 500, bodyBytesPerSecond: 1e9 } }
  ))

test('one connection too many is answered 503', () =>
  within(
    async r => {
      const held = await slowClients(r.socket, 20, 'GET / HTTP/1.1\r\n')
      try {
        assert.match(
          await r.raw('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
          /^HTTP\/1.1 503 [^]*ERR_BUSY/
        )
      } finally {
        held.forEach(socket => socket.destroy())
      }
    },
    { limits: { connections: 20 } }
  ))

test('10,000 slow clients bring nothing down', async () => {
  const clients = Number(process.env['SLOW_CLIENTS'] ?? 1000)
  await within(
    async r => {
      const held = await slowClients(r.socket, clients, 'GET / HTTP/1.1\r\n')
      try {
        assert.is((await r.call('PUT', `${VALUE}/a`, '1')).status, 204)
        assert.is(await recordsIn(r), 1)
      } finally {
        held.forEach(socket => socket.destroy())
      }
    },
    { limits: { connections: clients / 2, headersMs: 2000 } }
  )
})

test.run()
