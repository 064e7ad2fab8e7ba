/** A Kubo that is away for a moment; a plain HTTP server stands for it, since it must break off. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { MemoryBlockstore } from 'blockstore-core'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RpcConnectionError, RpcError } from '../../src/client/errors.ts'
import { KuboFetch } from '../../src/node/kubo-fetch.ts'
import { rejection } from '../rejection.ts'

const block = new TextEncoder().encode('fetched over Kubo')
const cid = CID.createV1(raw.code, await sha256.digest(block))

/** Breaks off so many requests, and answers the ones after them. */
async function withKubo(
  breaks: number,
  status: number,
  work: (fetch: KuboFetch, store: MemoryBlockstore, asked: () => number) => Promise<void>
): Promise<void> {
  let asked = 0
  const server = createServer((request, response) => {
    if (asked++ < breaks) return void request.socket.destroy()
    response.writeHead(status, { 'content-type': 'application/json' })
    if (status !== 200) response.end('{"Message":"no","Code":0,"Type":"error"}\n')
    else if (request.url?.startsWith('/api/v0/block/get')) response.end(block)
    else response.end(`{"Key":"${cid.toString()}","Size":${block.length}}\n`)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const store = new MemoryBlockstore()
  const fetch = new KuboFetch({ host: '127.0.0.1', port }, store, async (_cid, ask) => ask())
  try {
    await work(fetch, store, () => asked)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

test('asks again while Kubo is away, and stores what it gets', async () => {
  await withKubo(2, 200, async (fetch, store) => {
    assert.equal(new Uint8Array(await fetch.fetch(cid, {})), block)
    assert.ok(store.has(cid))
  })
})

test('does not insist on what Kubo refuses', async () => {
  await withKubo(0, 500, async (fetch, _store, asked) => {
    assert.instance(await rejection(fetch.fetch(cid, {})), RpcError)
    assert.is(asked(), 1)
  })
})

test('ends its pause when it is given up', async () => {
  await withKubo(Infinity, 200, async (fetch, store, asked) => {
    const given = new AbortController()
    const failed = rejection(fetch.fetch(cid, { signal: given.signal }))
    while (asked() === 0) await new Promise(resolve => setTimeout(resolve, 10))
    given.abort(new Error('given up'))
    assert.not.instance(await failed, RpcConnectionError)
    assert.is(asked(), 1)
    assert.not(store.has(cid))
  })
})

test.run()
