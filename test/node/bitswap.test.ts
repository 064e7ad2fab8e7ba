/** Two nodes on real pools exchange a tree over bitswap on loopback. */
import { setTimeout as sleep } from 'node:timers/promises'
import { CID } from 'multiformats/cid'
import * as assert from 'uvu/assert'
import {
  call,
  json,
  lines,
  message,
  serveNode,
  type SentFile,
  type Served
} from '../http/harness.ts'
import { suite } from '../suite.ts'
import { tempRepo, type TempRepo } from '../temp-repo.ts'

interface Context {
  temps: TempRepo[]
  giver: Served
  taker: Served
}

const test = suite<Context>('bitswap')

test.before(async context => {
  const [one, two] = [await tempRepo(), await tempRepo()]
  context.temps = [one, two]
  context.giver = await serveNode({ repo: one.repo, libp2p: {} })
  const peers = context.giver.running.node.network?.addresses() ?? []
  context.taker = await serveNode({ repo: two.repo, libp2p: { peers } })
})
test.after(async ({ temps, giver, taker }) => {
  await taker.running.stop()
  await giver.running.stop()
  for (const temp of temps) await temp.remove()
})

const bytes = (length: number, seed: number) =>
  Uint8Array.from({ length }, (_, i) => (i * seed + (i >> 8) * 31 + (i >> 16) * 7) & 255)

function tree(): SentFile[] {
  const files: SentFile[] = [{ name: 't/big', body: bytes(5_000_000, 7) }]
  for (let i = 0; i < 300; i++) {
    files.push({ name: `t/${i % 10}/${i}.txt`, body: bytes(1 + i * 37, i + 1) })
  }
  return files
}

const missing = 'bafkreiaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'

test('peers by option are connected, and both sides see it', async ({ giver, taker }) => {
  for (let i = 0; i < 100 && (taker.running.node.network?.connections().length ?? 0) < 1; i++) {
    await sleep(100)
  }
  const { Peers } = await json<{ Peers: Array<{ Addr: string; Peer: string; Direction: number }> }>(
    taker.rpc,
    'swarm/peers?direction=true&streams=true&latency=true&identify=true'
  )
  const { ID } = await json<{ ID: string }>(giver.rpc, 'id')
  assert.is(Peers[0]?.Peer, ID)
  assert.is(Peers[0]?.Direction, 2)
  assert.match(Peers[0]?.Addr ?? '', /^\/ip4\/127\.0\.0\.1\/tcp\/\d+$/)
  // identify runs beside, and takes a moment
  let agent = ''
  for (let i = 0; i < 100 && agent === ''; i++) {
    await sleep(100)
    agent = (await json<{ AgentVersion: string }>(taker.rpc, `id?arg=${ID}`)).AgentVersion
  }
  assert.match(agent, /^ipfs-zfs\//)
})

test('a tree is fetched whole by reading it, and byte for byte', async ({ giver, taker }) => {
  const files = tree()
  const added = lines<{ Hash: string }>(await call(giver.rpc, 'add?cid-version=1', files))
  const root = added.at(-1)?.Hash ?? ''
  assert.match(await message(taker.rpc, `cat?arg=${root}/big&offline=true`), /offline/)
  const listed = await call(taker.rpc, `ls?arg=${root}&timeout=30s`)
  assert.is(listed.status, 200)
  const big = await call(taker.rpc, `cat?arg=${root}/big&timeout=60s`)
  assert.equal(big.body, Buffer.from(files[0]?.body as Uint8Array))
  const car = await call(taker.rpc, `dag/export?arg=${root}&timeout=60s`)
  assert.equal(car.body, (await call(giver.rpc, `dag/export?arg=${root}`)).body)
  // now it is here
  assert.is((await call(taker.rpc, `dag/export?arg=${root}&offline=true`)).status, 200)
})

test('pinning fetches what is missing', async ({ giver, taker }) => {
  const file = [{ name: 'p', body: bytes(1_000_000, 11) }]
  const cid = lines<{ Hash: string }>(await call(giver.rpc, 'add', file))[0]?.Hash ?? ''
  const pinned = lines(await call(taker.rpc, `pin/add?arg=${cid}&progress=true&timeout=30s`))
  assert.equal(pinned.at(-1), { Pins: [cid] })
  assert.equal(await json(taker.rpc, `block/stat?arg=${cid}&offline=true`), {
    Key: cid,
    Size: (await json<{ Size: number }>(giver.rpc, `block/stat?arg=${cid}`)).Size
  })
})

test('the gateway fetches too', async ({ giver, taker }) => {
  const file = [{ name: 'g', body: 'through the gateway' }]
  const added = await call(giver.rpc, 'add?cid-version=1', file)
  const cid = lines<{ Hash: string }>(added)[0]?.Hash
  const answer = await fetch(`http://127.0.0.1:${taker.gateway}/ipfs/${cid}?format=raw`)
  assert.is(await answer.text(), 'through the gateway')
})

test('who waits for a block gets it once it is added', async ({ giver, taker }) => {
  const [hashed] = lines<{ Hash: string }>(
    await call(giver.rpc, 'add?only-hash=true&cid-version=1', [
      { name: 'w', body: 'worth waiting' }
    ])
  )
  const waiting = call(taker.rpc, `cat?arg=${hashed?.Hash}&timeout=30s`)
  await sleep(500)
  await call(giver.rpc, 'add?cid-version=1', [{ name: 'w', body: 'worth waiting' }])
  const started = performance.now()
  assert.is((await waiting).body.toString(), 'worth waiting')
  assert.ok(performance.now() - started < 10_000)
})

test('nobody has it: the time limit ends the wait', async ({ taker }) => {
  assert.is(
    await message(taker.rpc, `cat?arg=${missing}&timeout=500ms`),
    '500 context deadline exceeded'
  )
})

test('blocks of 2 MiB can be exchanged', async ({ giver, taker }) => {
  const body = bytes(2 * 1024 * 1024, 13)
  const put = lines<{ Key: string }>(await call(giver.rpc, 'block/put', [{ name: 'b', body }]))
  const key = put[0]?.Key ?? ''
  const got = await call(taker.rpc, `block/get?arg=${key}&timeout=20s`)
  assert.equal(got.body, Buffer.from(body))
  assert.ok(await taker.repo.blockstore.has(CID.parse(key)))
})

test('swarm/connect, to a peer and to nobody', async ({ giver, taker }) => {
  const [address = ''] = giver.running.node.network?.addresses() ?? []
  const { ID } = await json<{ ID: string }>(giver.rpc, 'id')
  assert.equal(await json(taker.rpc, `swarm/connect?arg=${address}`), {
    Strings: [`connect ${ID} success`]
  })
  const nobody = `/ip4/127.0.0.1/tcp/1/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN`
  assert.match(
    await message(taker.rpc, `swarm/connect?arg=${nobody}`),
    /^500 connect 12D3\w+ failure/
  )
})

test.run()
