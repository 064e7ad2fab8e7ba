/** Three stock Cluster peers through everyday and bad days, whatever IPFS daemons they have. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'uvu'
import * as assert from 'uvu/assert'
import { noise } from '../kubo/harness.ts'
import { suite } from '../suite.ts'
import type { Daemon } from './daemons.ts'
import { clusterPrograms, Peer, until } from './peer.ts'
import { addFolder, ask, countBlocks, hasBlock, localDag, pinType } from './rpc.ts'

/** Makes the IPFS daemon of a peer; not started. */
export type MakeDaemon<D extends Daemon> = (folder: string) => Promise<D>

export interface Trio<D extends Daemon = Daemon> {
  folder: string
  peers: [Peer<D>, Peer<D>, Peer<D>]
  /** A daemon that is in no cluster, and connected to none of the others. */
  outside: Daemon
}

async function makeTrio<D extends Daemon>(makeDaemon: MakeDaemon<D>): Promise<Trio<D>> {
  const programs = await clusterPrograms()
  const folder = await mkdtemp(join(tmpdir(), 'cluster-'))
  const made: Array<Peer<D>> = []
  for (const name of ['a', 'b', 'c']) {
    const place = join(folder, name)
    const daemon = await makeDaemon(place)
    await daemon.start()
    made.push(await Peer.make(programs, place, daemon))
  }
  const [a, b, c] = made as [Peer<D>, Peer<D>, Peer<D>]
  await a.start()
  await b.start([a])
  await c.start([a, b])
  const outside = await makeDaemon(join(folder, 'outside'))
  await outside.start()
  return { folder, peers: [a, b, c], outside }
}

async function removeTrio({ folder, peers, outside }: Trio): Promise<void> {
  for (const peer of peers) await peer.stop()
  for (const { daemon } of peers) await daemon.stop()
  await outside.stop()
  await rm(folder, { recursive: true, force: true })
}

const files = (count = 4, bytes = 200_000): Record<string, Uint8Array> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${i}`, noise(bytes)]))

export async function reach(peer: Peer, cid: string, states: string): Promise<void> {
  await until(
    `the states of ${cid}`,
    () => peer.states(cid),
    seen => seen === states
  ).catch(async (error: unknown) => {
    const seen = JSON.stringify(await peer.status(cid))
    throw new Error(`${(error as Error).message}, not ${states}: ${seen}`)
  })
}

/** Cluster shows a CID that it has forgotten as unpinned, also before the daemons have unpinned it. */
export async function unpinned(peers: Peer[], cid: string): Promise<void> {
  for (const { daemon } of peers) {
    await until(
      `${cid} is no pin`,
      () => pinType(daemon.rpc, cid, 'recursive'),
      type => type === undefined
    )
  }
}

/** Which peers a pin is allocated to, and which not. */
async function allocated(peers: Peer[], cid: string): Promise<{ on: Peer[]; off: Peer[] }> {
  // a batch of the shared state may be on its way
  const { allocations } = await until(
    `the allocations of ${cid}`,
    async () => {
      const text = await peers[0]!.rest('GET', `allocations/${cid}`)
      return JSON.parse(text) as { allocations: string[] }
    },
    found => found.allocations.length > 0
  )
  return {
    on: peers.filter(({ id }) => allocations.includes(id)),
    off: peers.filter(({ id }) => !allocations.includes(id))
  }
}

export async function checkBlocks(peers: Peer[], cid: string, count?: number): Promise<void> {
  for (const { daemon, name } of peers) {
    const found = await localDag(daemon.rpc, cid)
    if (count != null) assert.is(found.length, count, `blocks of ${cid} on ${name}`)
  }
}

interface Ipfs {
  ID: string
  Addresses: string[]
}

/**
 * Registers the tests of one kind of daemon.
 * @param more what only this kind can do, before a peer is gone for good
 */
export function scenario<D extends Daemon>(
  name: string,
  makeDaemon: MakeDaemon<D>,
  more: (test: Test<Trio<D>>) => void = () => {}
): void {
  const test = suite<Trio<D>>(name)
  test.before(async context => {
    Object.assign(context, await makeTrio(makeDaemon))
  })
  test.after(async context => {
    if ('peers' in context) await removeTrio(context)
  })

  test('three peers see each other, their daemons and their free space', async ({ peers }) => {
    const [a] = peers
    const seen = await until(
      'three peers',
      () => a.ctl<{ error: string; ipfs: { id: string; error: string } }>('peers', 'ls'),
      found =>
        found.length === 3 && found.every(({ error, ipfs }) => `${error}${ipfs.error}` === '')
    )
    assert.is(new Set(seen.map(({ ipfs }) => ipfs.id)).size, 3)
    await until(
      'free space of all',
      async () => (await a.ctl<unknown[]>('health', 'metrics', 'freespace'))[0]?.length,
      count => count === 3
    )
    const { RepoSize, StorageMax } = await ask<{ RepoSize: number; StorageMax: number }>(
      a.daemon.rpc,
      'repo/stat?size-only=true'
    )
    assert.ok(StorageMax > RepoSize)
  })

  test('a file that Cluster adds is pinned by all, with its blocks', async ({ folder, peers }) => {
    const [a] = peers
    const file = join(folder, 'file')
    await writeFile(file, noise(1_500_000))
    for (const version of ['0', '1']) {
      const [added] = await a.ctl<{ cid: string }>('add', '-Q', '--cid-version', version, file)
      const cid = added?.cid ?? ''
      assert.match(cid, version === '0' ? /^Qm/ : /^bafy/)
      await reach(a, cid, 'pinned pinned pinned')
      await checkBlocks(peers, cid, 7)
    }
  })

  test('what one has, all fetch and pin: recursive, direct, by path', async ({ peers }) => {
    const [a, b, c] = peers
    const root = await addFolder(a.daemon.rpc, files())
    const dag = await localDag(a.daemon.rpc, root)
    await a.ctl('pin', 'add', '--no-status', '--name', 'one', root)
    await reach(b, root, 'pinned pinned pinned')
    await checkBlocks(peers, root, dag.length)
    for (const { daemon } of peers)
      assert.is(await pinType(daemon.rpc, root, 'recursive'), 'recursive')

    const other = await addFolder(a.daemon.rpc, files())
    await b.ctl('pin', 'add', '--no-status', '--mode', 'direct', other)
    await reach(a, other, 'pinned pinned pinned')
    for (const { daemon } of peers) assert.is(await pinType(daemon.rpc, other, 'direct'), 'direct')
    const rest = (await localDag(a.daemon.rpc, other)).slice(1)
    assert.is(await countBlocks(b.daemon.rpc, rest), 0)
    assert.ok(await hasBlock(b.daemon.rpc, other))

    const third = await addFolder(a.daemon.rpc, files())
    await b.ctl('pin', 'add', '--no-status', `/ipfs/${third}/f2`)
    const { Hash } = (
      await ask<{ Objects: Array<{ Links: Array<{ Name: string; Hash: string }> }> }>(
        a.daemon.rpc,
        `ls?arg=${third}`
      )
    ).Objects[0]!.Links.find(({ Name }) => Name === 'f2')!
    await reach(a, Hash, 'pinned pinned pinned')
    await checkBlocks(peers, Hash, 5)
    // b had to read the folder to follow the path
    assert.is(await hasBlock(c.daemon.rpc, third), false)
  })

  test('a pin with origins comes from a daemon that nobody knew', async ({ peers, outside }) => {
    const [a] = peers
    const root = await addFolder(outside.rpc, files())
    const { Addresses } = await ask<Ipfs>(outside.rpc, 'id')
    const origin = Addresses.find(address => address.includes('/tcp/'))
    await a.rest('POST', `pins/${root}?origins=${encodeURIComponent(origin ?? '')}`)
    await reach(a, root, 'pinned pinned pinned')
    await checkBlocks(peers, root)
  })

  test('update pins the new with what the old has, and keeps the old', async ({ peers }) => {
    const [a, b] = peers
    const old = files()
    const from = await addFolder(a.daemon.rpc, old)
    await a.ctl('pin', 'add', '--no-status', from)
    await reach(a, from, 'pinned pinned pinned')
    const to = await addFolder(a.daemon.rpc, { ...old, more: noise(100_000) })
    await b.ctl('pin', 'update', '--no-status', from, to)
    await reach(a, to, 'pinned pinned pinned')
    await checkBlocks(peers, to)
    await reach(a, from, 'pinned pinned pinned')
  })

  test('rm takes the pin from all, and gc the blocks', async ({ peers }) => {
    const [a, b, c] = peers
    const root = await addFolder(a.daemon.rpc, files())
    const kept = await addFolder(a.daemon.rpc, files())
    const dag = await localDag(a.daemon.rpc, root)
    for (const cid of [root, kept]) await a.ctl('pin', 'add', '--no-status', cid)
    for (const cid of [root, kept]) await reach(a, cid, 'pinned pinned pinned')
    await c.ctl('pin', 'rm', '--no-status', root)
    await reach(a, root, 'unpinned unpinned unpinned')
    await unpinned(peers, root)
    const { peer_map } = JSON.parse(await b.rest('POST', 'ipfs/gc')) as {
      peer_map: Record<string, { keys: Array<{ key?: unknown; error?: string }>; error?: string }>
    }
    assert.is(Object.keys(peer_map).length, 3)
    for (const { keys, error } of Object.values(peer_map)) {
      assert.is(error ?? '', '')
      assert.ok(keys.length >= dag.length, `${keys.length} keys were collected`)
      assert.ok(keys.every(key => (key.error ?? '') === ''))
    }
    for (const { daemon } of peers) assert.is(await countBlocks(daemon.rpc, dag), 0)
    await checkBlocks(peers, kept)
  })

  test('a pin that a daemon lost is seen, and recover brings it back', async ({ peers }) => {
    const [a, b] = peers
    const root = await addFolder(a.daemon.rpc, files())
    await a.ctl('pin', 'add', '--no-status', root)
    await reach(a, root, 'pinned pinned pinned')
    await ask(b.daemon.rpc, `pin/rm?arg=${root}`)
    await reach(a, root, 'pinned unexpectedly_unpinned pinned')
    const lost = await a.ctl<{ cid: string }>('status', '--filter', 'unexpectedly_unpinned')
    // Cluster's bulk listing knows no direct pins
    assert.ok(lost.some(({ cid }) => cid === root))
    await a.ctl('recover', root)
    await reach(a, root, 'pinned pinned pinned')
  })

  test('with two replicas two peers have it, and the third neither pin nor blocks', async ({
    peers,
    outside
  }) => {
    const [a] = peers
    const root = await addFolder(outside.rpc, files())
    const dag = await localDag(outside.rpc, root)
    const { Addresses } = await ask<Ipfs>(outside.rpc, 'id')
    const origin = encodeURIComponent(Addresses.find(one => one.includes('/tcp/')) ?? '')
    await a.rest('POST', `pins/${root}?replication-min=2&replication-max=2&origins=${origin}`)
    const { on, off } = await allocated(peers, root)
    assert.is(on.length, 2)
    const states = peers.map(peer => (on.includes(peer) ? 'pinned' : 'remote')).join(' ')
    await reach(a, root, states)
    await checkBlocks(on, root, dag.length)
    assert.is(await countBlocks(off[0]!.daemon.rpc, dag), 0)
  })

  test('what Cluster adds for two replicas is on those two, and nowhere else', async context => {
    const { folder, peers } = context
    const [a] = peers
    const file = join(folder, 'for-two')
    await writeFile(file, noise(1_000_000))
    const two = ['--replication-min', '2', '--replication-max', '2']
    const [added] = await a.ctl<{ cid: string }>('add', '-Q', ...two, file)
    const cid = added?.cid ?? ''
    const { on, off } = await allocated(peers, cid)
    assert.is(on.length, 2)
    await reach(a, cid, peers.map(peer => (on.includes(peer) ? 'pinned' : 'remote')).join(' '))
    await checkBlocks(on, cid)
    const dag = await localDag(on[0]!.daemon.rpc, cid)
    assert.ok(dag.length > 1)
    for (const { daemon } of off) {
      assert.is(await pinType(daemon.rpc, cid, 'recursive'), undefined)
      assert.is(await countBlocks(daemon.rpc, dag), 0)
    }
  })

  test('a daemon that is killed and comes back has what it had, and catches up', async ({
    peers
  }) => {
    const [a, b] = peers
    const before = await addFolder(a.daemon.rpc, files())
    await a.ctl('pin', 'add', '--no-status', before)
    await reach(a, before, 'pinned pinned pinned')
    await b.daemon.stop('SIGKILL')
    const meanwhile = await addFolder(a.daemon.rpc, files())
    await a.ctl('pin', 'add', '--no-status', meanwhile)
    await reach(a, meanwhile, 'pinned pin_error pinned')
    await b.daemon.start()
    await reach(a, before, 'pinned pinned pinned')
    // it has new connections to make, as after Cluster's own delay
    await connectAll(peers)
    await a.ctl('recover', meanwhile)
    await reach(a, meanwhile, 'pinned pinned pinned')
    await checkBlocks(peers, before)
    await checkBlocks(peers, meanwhile)
  })

  test('a sharded add is pinned in shards, all of which are there', async ({ peers }) => {
    const [a] = peers
    const form = new FormData()
    const bytes = noise(3_000_000)
    form.append('file', new Blob([bytes]), 'sharded')
    const replicas = 'replication-min=2&replication-max=2'
    await a.rest('POST', `add?shard=true&shard-size=1000000&cid-version=1&${replicas}`, form)
    const { shards } = await until(
      'the meta pin and its shards',
      async () => sharded(await a.rest('GET', 'allocations?filter=all')),
      found => found.meta != null && found.shards.length >= 3
    )
    for (const { cid, allocations } of shards) {
      const on = peers.filter(({ id }) => allocations?.includes(id))
      assert.is(on.length, 2)
      await until(
        `shard ${cid}`,
        async () => {
          const seen = await a.status(cid)
          return on.map(({ name }) => seen[name]?.status).join()
        },
        statuses => statuses === 'pinned,pinned'
      )
      await checkBlocks(on, cid)
    }
  })

  test('a pin that expires is unpinned', async ({ peers }) => {
    const [a] = peers
    const root = await addFolder(a.daemon.rpc, files())
    await a.ctl('pin', 'add', '--no-status', '--expire-in', '30s', root)
    await until(
      'the pin',
      () => pinType(a.daemon.rpc, root, 'recursive'),
      type => type === 'recursive'
    )
    await reach(a, root, 'unpinned unpinned unpinned')
    await unpinned(peers, root)
  })

  test("Cluster's own IPFS proxy serves what it always served", async ({ peers }) => {
    const [a] = peers
    const root = await addFolder(a.daemon.rpc, files())
    await ask(a.proxy, `pin/add?arg=${root}`)
    await reach(a, root, 'pinned pinned pinned')
    const { Keys } = await ask<{ Keys: Record<string, unknown> }>(a.proxy, 'pin/ls?type=recursive')
    assert.ok(root in Keys)
    const sum = await ask<{ RepoSize: number }>(a.proxy, 'repo/stat')
    assert.ok(sum.RepoSize > 0)
    await ask(a.proxy, `pin/rm?arg=${root}`)
    await reach(a, root, 'unpinned unpinned unpinned')
  })

  more(test)

  test('a peer that is gone for good gives its pins to the others', async ({ peers }) => {
    const [a, b, c] = peers
    const root = await addFolder(a.daemon.rpc, files())
    const chosen = [b, c].map(({ id }) => id).join(',')
    await a.ctl(
      ...['pin', 'add', '--no-status', '--replication', '2', '--allocations', chosen, root]
    )
    await reach(a, root, 'remote pinned pinned')
    await c.stop('SIGKILL')
    await c.daemon.stop('SIGKILL')
    await until(
      'a new allocation',
      async () => (await allocated([a, b, c], root)).on.map(({ name }) => name).join(),
      on => on === 'a,b'
    )
    await until(
      'both pinned',
      async () => {
        const seen = await a.status(root)
        return `${seen['a']?.status} ${seen['b']?.status}`
      },
      seen => seen === 'pinned pinned'
    )
    await checkBlocks([a, b], root)
  })

  test.run()
}

interface ShardedPin {
  cid: string
  type: string
  allocations: string[] | null
}

/** One JSON object a line: the pins of one sharded add. */
function sharded(text: string): { meta: ShardedPin | undefined; shards: ShardedPin[] } {
  const lines = text.split('\n').filter(line => line !== '')
  const pins = lines.map(line => JSON.parse(line) as ShardedPin)
  return {
    meta: pins.find(({ type }) => type === 'meta-pin'),
    shards: pins.filter(({ type }) => type === 'shard-pin')
  }
}

async function connectAll(peers: Peer[]): Promise<void> {
  for (const { daemon } of peers) {
    const { Addresses } = await ask<Ipfs>(daemon.rpc, 'id')
    const address = Addresses.find(one => one.includes('/tcp/'))
    for (const other of peers) {
      if (other.daemon === daemon) continue
      await ask(other.daemon.rpc, `swarm/connect?arg=${encodeURIComponent(address ?? '')}`)
    }
  }
}
