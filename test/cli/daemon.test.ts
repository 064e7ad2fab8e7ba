import { once } from 'node:events'
import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Bench, spawnCommand } from './harness.ts'

const test = suite('daemon')

test('its first line, RPC, gateway, and what the command says of it', async () => {
  await using bench = await Bench.make()
  const ready = await bench.startDaemon()
  const { pid, rpc, gateway, peerId, addresses } = ready
  assert.is(ready.ready, true)
  assert.match(rpc, /^127\.0\.0\.1:\d+$/)
  assert.match(gateway, /^127\.0\.0\.1:\d+$/)
  assert.ok(pid > 0)
  assert.ok(addresses.length > 0 && addresses.every(address => address.endsWith(`/p2p/${peerId}`)))
  const port = rpc.split(':')[1]
  assert.is((await readFile(join(bench.repo, 'api'), 'utf8')).trim(), `/ip4/127.0.0.1/tcp/${port}`)

  const identity = await bench.json<Record<string, unknown>>(['id'])
  assert.is(identity['id'], peerId)
  assert.equal(identity['addresses'], addresses)
  assert.is(identity['daemon'], true)
  const cid = await bench.ok(['add', '-Q', '-'], { input: 'served' })
  const raw = await fetch(`http://${gateway}/ipfs/${cid}?format=raw`)
  assert.is(await raw.text(), 'served')
  const cat = await fetch(`http://${rpc}/api/v0/cat?arg=${cid}`, { method: 'POST' })
  assert.is(await cat.text(), 'served')

  assert.is(await bench.stopDaemon(), 0)
  const alone = await bench.json<Record<string, unknown>>(['id'])
  assert.equal(alone, { ...identity, addresses: [], protocols: [], daemon: false })
  assert.is(await bench.ok(['cat', cid]), 'served')
  await access(join(bench.repo, 'api')).then(
    () => assert.unreachable('the api file is still there'),
    () => {}
  )
})

test('shutdown, and both signals', async () => {
  await using bench = await Bench.make()
  for (const how of ['SIGINT', 'SIGTERM', 'shutdown'] as const) {
    await bench.startDaemon()
    if (how === 'shutdown') {
      assert.equal(await bench.json(['shutdown']), { stopped: true })
      assert.is(await bench.daemonEnd(), 0)
      assert.is((await bench.fails(['shutdown'])).code, 'ERR_NO_DAEMON')
    } else {
      assert.is(await bench.stopDaemon(how), 0)
    }
  }
})

test('two daemons find each other, and one gives what the other lacks', async () => {
  await using a = await Bench.make()
  await using b = await Bench.make()
  const first = await a.startDaemon()
  await b.startDaemon()
  const [address = ''] = first.addresses
  assert.is(await b.ok(['swarm', 'peers']), 'no connections')
  assert.equal(await b.json(['swarm', 'connect', address]), { address })
  const [peer] = await b.lines<{ peer: string; address: string }>(['swarm', 'peers'])
  assert.is(peer?.peer, first.peerId)
  const cid = await a.ok(['add', '-Q', '-'], { input: Buffer.alloc(1_000_000, 'far') })
  assert.is((await b.run(['cat', cid])).out.length, 1_000_000)
  await b.fails(['swarm', 'connect', 'nonsense'])
})

test('a peer given by option', async () => {
  await using a = await Bench.make()
  await using b = await Bench.make()
  const { addresses, peerId } = await a.startDaemon()
  await b.startDaemon(['--peer', addresses[0] ?? ''])
  for (let tries = 0; tries < 50; tries++) {
    const peers = await b.lines<{ peer: string }>(['swarm', 'peers'])
    if (peers[0]?.peer === peerId) return
    await sleep(100)
  }
  assert.unreachable('it did not connect')
})

test('a second daemon on one repo, and a taken port', async () => {
  await using bench = await Bench.make()
  const { rpc } = await bench.startDaemon()
  const daemon = ['daemon', '--log-level', 'warn', '--gateway', '127.0.0.1:0']
  const second = await bench.fails([...daemon, '--rpc', '127.0.0.1:0'])
  assert.is(second.code, 'ERR_POOL_IN_USE')
  await using other = await Bench.make()
  const { code } = await other.fails([...daemon, '--rpc', rpc])
  assert.is(code, 'EADDRINUSE')
})

test('start makes a repo when there is none, and says how to use it', async () => {
  await using bench = await Bench.make(false)
  const ports = ['--rpc', '127.0.0.1:0', '--gateway', '127.0.0.1:0']
  const child = spawnCommand(['--repo', bench.repo, 'start', '--size', '1G', ...ports])
  let text = ''
  child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()))
  for (let tries = 0; tries < 300 && !text.includes('Ctrl-C'); tries++) await sleep(100)
  for (const part of ['add ', 'curl', '/ipfs/', 'Ctrl-C']) assert.match(text, part)
  assert.is(await bench.ok(['add', '-Q', '-'], { input: 'x' }).then(cid => cid.slice(0, 4)), 'bafk')
  child.kill('SIGINT')
  const [code] = (await once(child, 'exit')) as [number]
  assert.is(code, 0)
})

test.run()
