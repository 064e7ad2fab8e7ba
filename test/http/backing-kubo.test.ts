/**
 * Requests that a backing Kubo answers. Here a plain HTTP server stands for it, since a real one
 * does not fail when a test wants it to; test/cluster has the real one.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as assert from 'uvu/assert'
import { suite } from '../suite.ts'
import { call, json, message, send, serveNode, type Served } from './harness.ts'

interface Context extends Served {
  kubo: Server
  seen: Array<{ url: string; headers: IncomingMessage['headers']; body: string }>
}

const test = suite<Context>('backing Kubo')

async function answer(url: string, response: ServerResponse): Promise<void> {
  if (url.startsWith('/api/v0/resolve')) {
    response.end('{"Path":"/ipfs/bafkqablimvwgy3y"}\n')
  } else if (url.startsWith('/api/v0/late')) {
    response.writeHead(200, { trailer: 'X-Stream-Error', 'x-chunked-output': '1' })
    response.write('{"first":1}\n')
    response.addTrailers({ 'X-Stream-Error': 'it broke' })
    response.end()
  } else if (url.startsWith('/api/v0/broken')) {
    response.writeHead(200)
    response.write('half', () => response.destroy())
  } else if (url.startsWith('/api/v0/refused')) {
    response.writeHead(500, { 'content-type': 'application/json' })
    response.end('{"Message":"no","Code":0,"Type":"error"}\n')
  } else {
    response.writeHead(200, { 'content-type': 'application/json', server: 'kubo/x' })
    response.end('{"kubo":true}\n')
  }
}

test.before(async context => {
  context.seen = []
  context.kubo = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { url = '', headers } = request
      context.seen.push({ url, headers, body: Buffer.concat(chunks).toString() })
      void answer(url, response)
    })
  })
  await new Promise<void>(resolve => context.kubo.listen(0, '127.0.0.1', resolve))
  const { port } = context.kubo.address() as AddressInfo
  Object.assign(context, await serveNode({ kubo: { host: '127.0.0.1', port } }))
})
test.after(async ({ running, kubo }) => {
  await running.stop()
  kubo.closeAllConnections()
  kubo.close()
})

test('gets what is no command here, as it came', async ({ rpc, seen }) => {
  const path = '/api/v0/files/ls?arg=%2Fa%20b&long=true'
  const headers = { origin: `http://127.0.0.1:${rpc}`, 'x-own': '1', 'content-type': 'text/plain' }
  const answered = await send(rpc, { path, headers, body: 'a body' })
  assert.is(answered.status, 200)
  assert.is(answered.body.toString(), '{"kubo":true}\n')
  assert.is(answered.headers.server, 'kubo/x')
  assert.is(answered.headers['access-control-allow-origin'], headers.origin)
  const last = seen.at(-1)
  assert.is(last?.url, path)
  assert.is(last?.body, 'a body')
  assert.is(last?.headers['x-own'], '1')
  assert.is(last?.headers.origin, undefined)
})

test('never what is a command here, nor what a foreign page asks', async ({ rpc, seen }) => {
  const before = seen.length
  await json(rpc, 'version')
  await call(rpc, 'pin/ls')
  await call(rpc, 'repo/gc')
  const path = '/api/v0/files/ls'
  assert.is((await send(rpc, { path, headers: { origin: 'http://evil.example' } })).status, 403)
  assert.is((await send(rpc, { path, method: 'GET' })).status, 405)
  assert.is(seen.length, before)
})

test('answers who the peers see when this node meets none', async ({ rpc, seen }) => {
  for (const command of ['id', 'swarm/peers', 'swarm/connect?arg=x', 'swarm/addrs/local']) {
    assert.equal(await json(rpc, command), { kubo: true })
    assert.is(seen.at(-1)?.url, `/api/v0/${command}`)
  }
  const before = seen.length
  const online = await serveNode({ kubo: { host: '127.0.0.1', port: 1 }, libp2p: {} })
  try {
    assert.match((await json<{ ID: string }>(online.rpc, 'id')).ID, /^12D3/)
  } finally {
    await online.running.stop()
  }
  assert.is(seen.length, before)
})

test('resolves names, and only names', async ({ rpc, seen }) => {
  const name = await json(rpc, 'resolve?arg=/ipns/example.org/x')
  assert.equal(name, { Path: '/ipfs/bafkqablimvwgy3y' })
  assert.match(seen.at(-1)?.url ?? '', /^\/api\/v0\/resolve\?arg=%2Fipns%2Fexample.org%2Fx/)
  const before = seen.length
  const path = await json(rpc, 'resolve?arg=/ipfs/bafkqablimvwgy3y')
  assert.equal(path, { Path: '/ipfs/bafkqablimvwgy3y' })
  assert.is(seen.length, before)
})

test('its failures are failures here, early and late', async ({ rpc }) => {
  assert.is(await message(rpc, 'refused'), '500 no')
  const late = await call(rpc, 'late')
  assert.is(late.body.toString(), '{"first":1}\n')
  assert.ok(late.broken, 'who reads no trailers must not take it for success')
  const told = await send(rpc, { path: '/api/v0/late', headers: { te: 'trailers' } })
  assert.not(told.broken)
  assert.is(told.trailers['x-stream-error'], 'it broke')
  assert.ok((await call(rpc, 'broken')).broken)
  const none = await serveNode({ kubo: { host: '127.0.0.1', port: 1 } })
  try {
    assert.match(await message(none.rpc, 'files/ls'), /^500 the backing Kubo at 127.0.0.1:1 does/)
    assert.match(await message(none.rpc, 'resolve?arg=/ipns/x'), /^500 the backing Kubo at 127/)
  } finally {
    await none.running.stop()
  }
})

test.run()
