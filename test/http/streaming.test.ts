/** Long answers: slow clients, clients that go away, failures in the middle, time limits. */
import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { CID } from 'multiformats/cid'
import * as assert from 'uvu/assert'
import type { Repo } from '../../src/repo/types.ts'
import { suite } from '../suite.ts'
import { call, lines, message, send, serveNode, type Served } from './harness.ts'
import { memoryRepo } from './memory-repo.ts'

const test = suite<Served & { reads: { count: number } }>('rpc streaming')

/** A repo that counts the blocks read from it. */
function countingRepo(reads: { count: number }): Repo {
  const repo = memoryRepo()
  const { blockstore } = repo
  const get = blockstore.get.bind(blockstore)
  blockstore.get = (cid, options) => {
    reads.count++
    return get(cid, options)
  }
  return repo
}

test.before(async context => {
  context.reads = { count: 0 }
  Object.assign(context, await serveNode({ repo: countingRepo(context.reads) }))
})
test.after(async ({ running }) => running.stop())

const chunk = 256 * 1024
const chunks = 160

async function addLarge(rpc: number): Promise<string> {
  const body = Buffer.alloc(chunk * chunks)
  for (let i = 0; i < chunks; i++) body.writeUInt32LE(i, i * chunk)
  const added = await call(rpc, 'add?cid-version=1&pin=false', [{ name: 'large', body }])
  return lines<{ Hash: string }>(added)[0]?.Hash ?? ''
}

test('a client that does not read holds back the reading of blocks', async ({ rpc, reads }) => {
  const cid = await addLarge(rpc)
  reads.count = 0
  const socket = connect(rpc, '127.0.0.1')
  await once(socket, 'connect')
  socket.write(`POST /api/v0/cat?arg=${cid} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`)
  await once(socket, 'readable')
  await sleep(300)
  const held = reads.count
  assert.ok(held < chunks / 2, `${held} of ${chunks} blocks were read for nobody`)
  let bytes = 0
  socket.on('data', (piece: Buffer) => (bytes += piece.byteLength))
  while (bytes < chunk * chunks) await sleep(10)
  assert.ok(reads.count >= chunks)
  socket.destroy()
})

test('a client that goes away ends the work for it', async ({ rpc, reads }) => {
  const cid = await addLarge(rpc)
  reads.count = 0
  const sent = request({ port: rpc, method: 'POST', path: `/api/v0/cat?arg=${cid}`, agent: false })
  sent.on('error', () => {})
  sent.end()
  const [response] = (await once(sent, 'response')) as [import('node:http').IncomingMessage]
  await once(response, 'readable')
  sent.destroy()
  await sleep(100)
  const before = reads.count
  await sleep(200)
  assert.is(reads.count, before)
  assert.ok(before < chunks)
})

test('an upload that breaks off leaves the node able to collect garbage', async ({ rpc }) => {
  const sent = request({
    port: rpc,
    method: 'POST',
    path: '/api/v0/add',
    headers: { 'content-type': 'multipart/form-data; boundary=b' },
    agent: false
  })
  sent.on('error', () => {})
  sent.write('--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nhalf a file')
  await sleep(100)
  sent.destroy()
  // adding holds a lock that collecting waits for
  const collected = await call(rpc, 'repo/gc')
  assert.is(collected.status, 200)
})

test('a failure after the first byte breaks the connection', async ({ rpc, repo }) => {
  const cid = await addLarge(rpc)
  const exported = await call(rpc, `refs?arg=${cid}`)
  const last = lines<{ Ref: string }>(exported).at(-1)?.Ref ?? ''
  await repo.blockstore.delete(CID.parse(last))
  const cut = await call(rpc, `cat?arg=${cid}`)
  assert.is(cut.status, 200)
  assert.is(cut.headers['trailer'], 'X-Stream-Error')
  assert.ok(cut.broken)
  assert.ok(cut.body.byteLength < chunk * chunks)
  // a client that says that it reads trailers is told why
  const told = await send(rpc, { path: `/api/v0/cat?arg=${cid}`, headers: { te: 'trailers' } })
  assert.not(told.broken)
  assert.match(told.trailers['x-stream-error'] ?? '', /^block was not found locally/)
})

test('a time limit ends a request that waits', async () => {
  const served = await serveNode({ libp2p: {} })
  try {
    const missing = 'bafkreiaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
    const started = performance.now()
    const late = await message(served.rpc, `block/get?arg=${missing}&timeout=300ms`)
    assert.is(late, '500 context deadline exceeded')
    assert.ok(performance.now() - started < 5_000)
    const offline = await message(served.rpc, `block/get?arg=${missing}&offline=true`)
    assert.match(offline, /^500 block was not found locally \(offline\)/)
  } finally {
    await served.running.stop()
  }
})

test('a pin that waits for a block says so, and goes with its client', async () => {
  const served = await serveNode({ libp2p: {} })
  const missing = 'bafybeiaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
  try {
    const sent = request({
      port: served.rpc,
      method: 'POST',
      path: `/api/v0/pin/add?arg=${missing}&recursive=true&progress=true`,
      agent: false
    })
    sent.on('error', () => {})
    sent.end()
    const [response] = (await once(sent, 'response')) as [import('node:http').IncomingMessage]
    assert.is(response.statusCode, 200)
    const [first] = (await once(response, 'data')) as [Buffer]
    assert.is(first.toString(), '{}\n')
    sent.destroy()
    const state = await message(served.rpc, `pin/ls?arg=${missing}&type=recursive`)
    assert.match(state, /^500 path '.*' is not pinned$/)
    assert.is((await call(served.rpc, 'repo/gc')).status, 200)
  } finally {
    await served.running.stop()
  }
})

test('a node that stops ends what is under way', async () => {
  const served = await serveNode({ libp2p: {} })
  const missing = 'bafkreiaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
  const waiting = call(served.rpc, `cat?arg=${missing}`).catch(() => undefined)
  await sleep(200)
  const started = performance.now()
  await served.running.stop()
  await waiting
  assert.ok(performance.now() - started < 5_000)
})

test('refused uploads get their answer although they are not read', async ({ rpc }) => {
  const body = Buffer.alloc(20 * 1024 * 1024)
  const answer = await call(rpc, 'add?hash=nope', [{ name: 'x', body }])
  assert.is(answer.status, 500)
  assert.match(answer.body.toString(), /unrecognized hash function/)
})

test.run()
