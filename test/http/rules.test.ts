/** Kubo's rules at the door: methods, browsers, unknown commands, bad options. */
import * as assert from 'uvu/assert'
import { suite } from '../suite.ts'
import { call, send, serveNode, type Served } from './harness.ts'

const test = suite<Served>('rpc rules')

test.before(async context => {
  Object.assign(context, await serveNode())
})
test.after(async ({ running }) => running.stop())

const version = '/api/v0/version'

test('only POST', async ({ rpc }) => {
  for (const method of ['GET', 'PUT', 'DELETE', 'PATCH']) {
    const answer = await send(rpc, { method, path: version })
    assert.is(answer.status, 405)
    assert.is(answer.headers.allow, 'OPTIONS, POST')
    assert.is(answer.body.toString(), '405 - Method Not Allowed\n')
  }
  assert.is((await send(rpc, { method: 'HEAD', path: version })).status, 405)
  const options = await send(rpc, { method: 'OPTIONS', path: version })
  assert.is(options.status, 204)
  assert.is(options.headers.allow, 'OPTIONS, POST')
})

test('no other page may call, whichever header its browser tells it by', async ({ rpc }) => {
  const headers = [
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { origin: `http://127.0.0.1:${rpc + 1}` },
    { referer: 'http://evil.example/page' },
    { referer: 'no address' },
    { origin: `http://127.0.0.1:${rpc}`, referer: 'http://evil.example/' },
    { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64)' }
  ]
  for (const header of headers) {
    const answer = await send(rpc, { path: version, headers: header })
    assert.is(answer.status, 403, JSON.stringify(header))
    assert.is(answer.body.toString(), '403 - Forbidden\n')
  }
})

test('a page of this server may, and what is no browser', async ({ rpc }) => {
  const headers = [
    {},
    { 'user-agent': 'curl/8' },
    { 'user-agent': 'Mozilla/5.0 Electron/30' },
    { referer: `http://localhost:${rpc}/webui` },
    { 'user-agent': 'Mozilla/5.0', origin: `http://127.0.0.1:${rpc}` }
  ]
  for (const header of headers) {
    assert.is((await send(rpc, { path: version, headers: header })).status, 200)
  }
  const origin = `http://127.0.0.1:${rpc}`
  const own = await send(rpc, { path: version, headers: { origin } })
  assert.is(own.headers['access-control-allow-origin'], origin)
})

test('preflights name nothing to a foreign page', async ({ rpc }) => {
  const ask = async (origin: string) =>
    send(rpc, {
      method: 'OPTIONS',
      path: version,
      headers: { origin, 'access-control-request-method': 'POST' }
    })
  const foreign = await ask('http://evil.example')
  assert.is(foreign.status, 204)
  assert.is(foreign.headers['access-control-allow-origin'], undefined)
  const own = await ask(`http://127.0.0.1:${rpc}`)
  assert.is(own.headers['access-control-allow-methods'], 'POST')
})

test('unknown commands and paths', async ({ rpc }) => {
  for (const path of ['/api/v0/nope', '/api/v0/nope/x', '/api/v0/', '/', '/api/v0/block', '/%ff']) {
    const answer = await send(rpc, { path })
    assert.is(answer.status, 404, path)
    assert.is(answer.headers['content-type'], 'text/plain; charset=utf-8')
    assert.is(answer.body.toString(), '404 page not found\n')
  }
})

test('what follows a command in the URL is its argument', async ({ rpc }) => {
  assert.is((await call(rpc, 'cat/bafkqablimvwgy3y')).body.toString(), 'hello')
})

test('bad requests are refused with text before anything runs', async ({ rpc }) => {
  const refusals: Array<[string, string]> = [
    ['cat', 'argument "ipfs-path" is required'],
    ['block/put', "file argument 'data' is required"],
    ['cat?arg=x&offset=y', 'could not convert value "y" to type "int64" (for option "-offset")'],
    ['cat?arg=x&offline=z', 'could not convert value "z" to type "bool" (for option "-offline")'],
    ['cat?arg=x&o=1&offset=2', 'expected key offset to have only a single value, received [2 1]'],
    ['cat?arg=x&timeout=soon', 'time: invalid duration "soon"']
  ]
  for (const [command, text] of refusals) {
    const answer = await call(rpc, command)
    assert.is(answer.status, 400, command)
    assert.is(answer.headers['content-type'], 'text/plain; charset=utf-8')
    assert.is(answer.body.toString(), `${text}\n`)
  }
})

test("paths that are none, in Kubo's words", async ({ rpc }) => {
  const refusals: Array<[string, string]> = [
    ['foo', 'invalid path \\"foo\\": path does not have enough components'],
    ['/ipfs/', 'invalid path \\"/ipfs/\\": path does not have enough components'],
    ['/foo/bar', 'invalid path \\"/foo/bar\\": unknown namespace: \\"foo\\"']
  ]
  for (const [path, text] of refusals) {
    const answer = await call(rpc, `cat?arg=${encodeURIComponent(path)}`)
    assert.is(answer.status, 500)
    assert.is(answer.body.toString(), `{"Message":"${text}","Code":0,"Type":"error"}\n`)
  }
})

test('arguments may come in the body, and Go sends an empty content type', async ({ rpc }) => {
  const cid = 'bafkqablimvwgy3y'
  const inBody = await call(rpc, 'cat', [{ name: 'args', body: `${cid}\n${cid}\n` }])
  assert.is(inBody.body.toString(), 'hellohello')
  const empty = await send(rpc, { path: version, headers: { 'content-type': '' } })
  assert.is(empty.status, 200)
})

test('a connection is kept for longer than Go keeps it', async ({ rpc }) => {
  const { headers } = await send(rpc, { path: version, headers: { connection: 'keep-alive' } })
  const [, seconds] = /timeout=(\d+)/.exec(String(headers['keep-alive'])) ?? []
  assert.ok(Number(seconds) > 90)
})

test('broken forms are refused', async ({ rpc }) => {
  const path = '/api/v0/add'
  const type = 'multipart/form-data'
  const none = await send(rpc, { path, headers: { 'content-type': type }, body: 'x' })
  assert.is(none.status, 400)
  const headers = { 'content-type': `${type}; boundary=b` }
  for (const body of [
    '',
    'no boundary at all',
    '--b\r\nContent-Disposition: form-data\r\n\r\nend'
  ]) {
    const answer = await send(rpc, { path, headers, body })
    assert.is(answer.status, 400)
    assert.match(answer.body.toString(), /^multipart: /)
  }
})

test.run()
