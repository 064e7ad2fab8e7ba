/** The daemon as a process of its own, on a real pool: ready line, files, signals. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { call, json, lines } from '../http/harness.ts'

interface Ready {
  ready: boolean
  rpc: string
  gateway: string | null
  pid: number
  peerId: string
  swarm: string[]
}

interface Daemon {
  child: ChildProcess
  ready: Ready
  rpc: number
  log: () => string
}

const test = suite<{ folder: string }>('daemon')

test.before.each(async context => {
  context.folder = await mkdtemp(join(tmpdir(), 'ipfs-zfs-daemon-'))
})
test.after.each(async ({ folder }) => rm(folder, { recursive: true, force: true }))

const portOf = (address: string | null) => Number(address?.split(':').at(-1))

async function start(folder: string, options: object = {}): Promise<Daemon> {
  const settings = {
    repo: { path: folder, create: true },
    rpc: { port: 0 },
    gateway: { port: 0 },
    json: true,
    ...options
  }
  const script = new URL('./run-daemon.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [script, JSON.stringify(settings)], {
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let log = ''
  child.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()))
  const exited = once(child, 'exit').then(([code]) => {
    throw new Error(`the daemon ended with ${code}: ${log}`)
  })
  exited.catch(() => {})
  assert.ok(child.stdout)
  const out = createInterface(child.stdout)
  const [line] = (await Promise.race([once(out, 'line'), exited])) as [string]
  const ready = JSON.parse(line) as Ready
  return { child, ready, rpc: portOf(ready.rpc), log: () => log }
}

async function stop({ child }: Daemon, signal: NodeJS.Signals = 'SIGTERM') {
  const exit = once(child, 'exit')
  child.kill(signal)
  const [code, by] = (await exit) as [number | null, NodeJS.Signals | null]
  return { code, by }
}

const exists = async (path: string) =>
  stat(path).then(
    () => true,
    () => false
  )

/** Small: a pool is made for each. */
const pool = { sizeBytes: 256 * 1024 * 1024 }

test('says where it is, in one line and in files, and takes them away', async ({ folder }) => {
  const daemon = await start(folder, { repo: { path: folder, create: true, pool } })
  const { ready } = daemon
  assert.is(ready.ready, true)
  assert.is(ready.pid, daemon.child.pid)
  assert.match(ready.rpc, /^127\.0\.0\.1:\d+$/)
  assert.match(ready.swarm[0] ?? '', /^\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/12D3/)
  assert.is(await readFile(join(folder, 'api'), 'utf8'), `/ip4/127.0.0.1/tcp/${daemon.rpc}`)
  assert.is(await readFile(join(folder, 'gateway'), 'utf8'), `http://${ready.gateway}`)
  assert.is((await json<{ ID: string }>(daemon.rpc, 'id')).ID, ready.peerId)
  assert.equal(await stop(daemon), { code: 0, by: null })
  assert.not(await exists(join(folder, 'api')))
  assert.not(await exists(join(folder, 'gateway')))
  const messages = daemon
    .log()
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as { msg: string })
  assert.equal(
    messages.map(({ msg }) => msg),
    ['ready', 'stopping', 'stopped', 'repo closed']
  )
})

test('keeps blocks, pins and its peer id over a restart', async ({ folder }) => {
  const first = await start(folder, { repo: { path: folder, create: true, pool } })
  const added = await call(first.rpc, 'add', [{ name: 'f', body: 'kept over a restart' }])
  const cid = lines<{ Hash: string }>(added)[0]?.Hash
  assert.equal(await stop(first, 'SIGINT'), { code: 0, by: null })
  const second = await start(folder, { repo: { path: folder } })
  assert.is(second.ready.peerId, first.ready.peerId)
  assert.is((await call(second.rpc, `cat?arg=${cid}`)).body.toString(), 'kept over a restart')
  assert.is((await call(second.rpc, `pin/ls?arg=${cid}`)).status, 200)
  assert.equal(await stop(second), { code: 0, by: null })
})

test('an upload under way does not hold it up', async ({ folder }) => {
  const daemon = await start(folder, { repo: { path: folder, create: true, pool } })
  const { request } = await import('node:http')
  const upload = request({
    port: daemon.rpc,
    method: 'POST',
    path: '/api/v0/add',
    headers: { 'content-type': 'multipart/form-data; boundary=b' }
  })
  upload.on('error', () => {})
  upload.write('--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nno end')
  const missing = 'bafkreiaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
  const waiting = call(daemon.rpc, `cat?arg=${missing}`).catch(() => undefined)
  await sleep(300)
  const started = performance.now()
  assert.equal(await stop(daemon), { code: 0, by: null })
  assert.ok(performance.now() - started < 15_000)
  await waiting
})

test('stops when a client asks it to', async ({ folder }) => {
  const daemon = await start(folder, { repo: { path: folder, create: true, pool } })
  const exit = once(daemon.child, 'exit')
  assert.is((await call(daemon.rpc, 'shutdown')).status, 200)
  assert.equal((await exit)[0], 0)
})

test('offline and without a gateway', async ({ folder }) => {
  const daemon = await start(folder, {
    repo: { path: folder, create: true, pool },
    gateway: false,
    libp2p: false
  })
  assert.is(daemon.ready.gateway, null)
  assert.equal(daemon.ready.swarm, [])
  await stop(daemon)
})

test('an address that is taken, a repo that is not there', async ({ folder }) => {
  const daemon = await start(folder, { repo: { path: folder, create: true, pool } })
  const other = await mkdtemp(join(tmpdir(), 'ipfs-zfs-daemon-'))
  try {
    const failure = async (options: object) =>
      start(other, options).then(
        () => 'started',
        (error: unknown) => String(error)
      )
    const taken = { repo: { path: other, create: true, pool }, rpc: { port: daemon.rpc } }
    assert.match(await failure(taken), /EADDRINUSE/)
    await writeFile(join(other, 'api'), '/ip4/127.0.0.1/tcp/1')
    assert.match(await failure({ repo: { path: join(other, 'none') } }), /RepoMissingError/)
    assert.match(await failure({ repo: { path: folder } }), /PoolInUseError/)
  } finally {
    await rm(other, { recursive: true, force: true })
    await stop(daemon)
  }
})

test.run()
