/**
 * Pins that are given up in the middle: by a client that goes away, or because a block does not
 * come. The work for them ends, and nothing of them stays. A plain HTTP server stands for the Kubo
 * that fetches.
 */
import * as dagCbor from '@ipld/dag-cbor'
import { once } from 'node:events'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { KuboFetch } from '../../src/node/kubo-fetch.ts'
import { TimedFetcher } from '../../src/pins/timed-fetcher.ts'
import { blockOf, type DagBlock } from '../pins/dag-model.ts'
import { catalogFaults } from '../pins/invariants.ts'
import { collect, rejection } from '../rejection.ts'
import { call, lines, message, serveNode, type Served } from './harness.ts'
import { memoryRepo } from './memory-repo.ts'

interface Context extends Served {
  kubo: Server
  /** By CID; what is asked for and not here is never answered. */
  network: Map<string, Uint8Array>
  open: Set<string>
}

const test = suite<Context>('pins given up')

test.before.each(async context => {
  const network = new Map<string, Uint8Array>()
  const open = new Set<string>()
  const kubo = createServer((asked, response) => {
    const url = new URL(asked.url ?? '', 'http://kubo')
    const cid = url.searchParams.get('arg') ?? ''
    const bytes = network.get(cid)
    open.add(cid)
    response.on('close', () => open.delete(cid))
    if (bytes == null) return
    const isGet = url.pathname.endsWith('/get')
    response.end(isGet ? bytes : JSON.stringify({ Key: cid, Size: bytes.byteLength }))
  })
  await new Promise<void>(resolve => kubo.listen(0, '127.0.0.1', resolve))
  const { port } = kubo.address() as AddressInfo
  const served = await serveNode({ repo: memoryRepo(), kubo: { host: '127.0.0.1', port } })
  Object.assign(context, { kubo, network, open }, served)
})

test.after.each(async ({ running, kubo }) => {
  await running.stop()
  kubo.closeAllConnections()
  kubo.close()
})

const leaf = (text: string) => blockOf(raw.code, new TextEncoder().encode(text))
const cbor = (value: unknown) => blockOf(dagCbor.code, dagCbor.encode(value))

async function until(is: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await is())) await sleep(10)
}

/** Two levels, of which Kubo has all but one leaf. */
function halfThere({ network }: Context): { root: DagBlock; absent: DagBlock } {
  const leaves = Array.from({ length: 40 }, (_, i) => leaf(`leaf ${i}`))
  const absent = leaf('absent')
  const inner = [0, 1, 2, 3].map(i => cbor(leaves.slice(10 * i, 10 * i + 10).map(({ cid }) => cid)))
  const root = cbor([...inner.map(({ cid }) => cid), absent.cid])
  for (const { cid, bytes } of [root, ...inner, ...leaves]) network.set(cid.toString(), bytes)
  return { root, absent }
}

/** No pin, no count, no lock held, and a collection takes what had come. */
async function nothingLeft({ rpc, repo, running }: Context, cid: CID): Promise<void> {
  await until(async () => (await repo.catalog.count('held')) === 0)
  assert.equal(await catalogFaults(repo.catalog, repo.pinBlocks), [])
  assert.is(await running.node.pins.count(), 0)
  assert.is(await repo.catalog.count('refs'), 0)
  assert.match(await message(rpc, `pin/ls?arg=${String(cid)}`), /is not pinned$/)
  assert.is((await call(rpc, 'repo/gc')).status, 200)
  assert.is((await repo.stat()).blocks, 0)
}

/** Sends `pin/add` and gives what ends it, as a client does that goes away. */
async function beginPin(rpc: number, cid: CID, options = ''): Promise<() => void> {
  const path = `/api/v0/pin/add?arg=${String(cid)}&progress=true${options}`
  const sent = request({ port: rpc, method: 'POST', path, agent: false })
  sent.on('error', () => {})
  sent.end()
  await once(sent, 'socket')
  return () => sent.destroy()
}

test('a client that goes away while a block is fetched', async context => {
  const { rpc, open } = context
  const { root, absent } = halfThere(context)
  const goAway = await beginPin(rpc, root.cid)
  await until(() => open.has(absent.cid.toString()) && open.size === 1)
  // what the walk has counted by now cannot be deleted; no pin says so
  const below = [...context.network.keys()][1] ?? ''
  assert.match(await message(rpc, `pin/ls?arg=${below}`), /is not pinned$/)
  const [refused] = lines<{ Error?: string }>(await call(rpc, `block/rm?arg=${below}`))
  assert.is(refused?.Error, 'a pin that is under way needs it')
  goAway()
  await until(() => open.size === 0)
  await nothingLeft(context, root.cid)
})

test('a client that goes away while blocks that are here are counted', async context => {
  const { rpc, repo } = context
  let last = leaf('the end')
  const all = [last]
  for (let i = 0; i < 200; i++) all.push((last = cbor([i, last.cid])))
  for (const { cid, bytes } of all) await context.running.node.blocks.store.put(cid, bytes)
  let reads = 0
  const read = repo.pinBlocks.read.bind(repo.pinBlocks)
  repo.pinBlocks.read = async keys => {
    reads++
    // as a disk does, it gives way to who has gone
    await new Promise(setImmediate)
    return read(keys)
  }
  const goAway = await beginPin(rpc, last.cid, '&offline=true')
  await until(() => reads > 20)
  goAway()
  await nothingLeft(context, last.cid)
  assert.ok(reads < 200, `${reads} of ${all.length} blocks were read for nobody`)
})

test('a block that does not come in time: the pin fails, and the fetch ends', async context => {
  const { kubo, open, running } = context
  const { root, absent } = halfThere(context)
  const { port } = kubo.address() as AddressInfo
  const { pins, blocks } = running.node
  const fetch = new KuboFetch({ host: '127.0.0.1', port }, blocks.store, async (cid, ask) =>
    pins.storing([cid.multihash.bytes], ask)
  )
  const fetcher = new TimedFetcher((cid, options) => fetch.fetch(cid, options), 400)
  const error = await rejection(pins.add(root.cid, { fetcher }))
  assert.is(error.name, 'BlockTimeoutError', error.stack)
  assert.match(error.message, new RegExp(`^block ${absent.cid.toString()} did not arrive within`))
  await until(() => open.size === 0)
  await nothingLeft(context, root.cid)
})

test('the pin succeeds when the block comes after all', async context => {
  const { rpc, network, open, running, repo } = context
  const { root, absent } = halfThere(context)
  const goAway = await beginPin(rpc, root.cid)
  await until(() => open.has(absent.cid.toString()))
  goAway()
  network.set(absent.cid.toString(), absent.bytes)
  const answer = await call(rpc, `pin/add?arg=${root.cid.toString()}`)
  assert.is(answer.status, 200, answer.body.toString())
  assert.equal(
    (await collect(running.node.pins.ls())).map(({ cid }) => cid.toString()),
    [root.cid.toString()]
  )
  assert.equal(await catalogFaults(repo.catalog, repo.pinBlocks), [])
  assert.is((await call(rpc, 'repo/gc')).body.byteLength, 0)
})

test.run()
