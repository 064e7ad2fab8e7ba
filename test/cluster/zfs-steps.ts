/** What the peers can do when their daemons are this project's: ZFS, and pinsets. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'uvu'
import * as assert from 'uvu/assert'
import { RpcClient } from '../../src/client/rpc.ts'
import { ZfsClient } from '../../src/client/zfs.ts'
import { lines, form, send } from '../http/harness.ts'
import { collect, rejection } from '../rejection.ts'
import type { ZfsBacked } from './daemons.ts'
import type { Peer } from './peer.ts'
import { ask, hasBlock } from './rpc.ts'
import { checkBlocks, reach, unpinned, type Trio } from './scenario.ts'

/** A client of ZFS that only knows the IPFS proxy of a Cluster peer. */
async function throughProxy<T>(peer: Peer, work: (zfs: ZfsClient) => Promise<T>): Promise<T> {
  const rpc = new RpcClient({ host: '127.0.0.1', port: peer.proxy })
  try {
    return await work(new ZfsClient(rpc))
  } finally {
    rpc.close()
  }
}

async function putBlocks(port: number, texts: string[]): Promise<string[]> {
  const { body, headers } = form(texts.map(text => ({ name: 'block', body: text })))
  const answer = await send(port, { path: '/api/v0/block/put?cid-codec=raw', headers, body })
  return lines<{ Key: string }>(answer).map(({ Key }) => Key)
}

async function pinsetOf(daemon: ZfsBacked, folder: string, cids: string[]): Promise<string> {
  const list = join(folder, 'members')
  await writeFile(list, cids.join('\n'))
  return (JSON.parse(await daemon.cli('pinset', 'create', list)) as { cid: string }).cid
}

async function checkIndirect(peers: Peer[], cids: string[], root: string): Promise<void> {
  for (const { daemon } of peers) {
    for (const cid of cids) {
      const { Keys } = await ask<{ Keys: Record<string, { Type: string }> }>(
        daemon.rpc,
        `pin/ls?arg=${cid}`
      )
      assert.is(Keys[cid]?.Type, `indirect through ${root}`)
    }
  }
}

/** Adds them to the tests of one kind of daemon. */
export function zfsSteps(test: Test<Trio<ZfsBacked>>): void {
  test("ZFS answers through Cluster's own IPFS proxy, each peer its own pool", async ({
    peers
  }) => {
    const roots = new Set<string>()
    for (const peer of peers) {
      await throughProxy(peer, async zfs => {
        const { root, pool } = await zfs.status()
        assert.is(pool.state, 'ONLINE')
        assert.is((await collect(zfs.datasets()))[0]?.name, root)
        assert.is((await zfs.getProperties(['checksum']))['checksum'], 'sha256')
        roots.add(root)
      })
    }
    assert.is(roots.size, 3)
  })

  test('snapshots are made, listed and destroyed through the proxy', async ({ peers }) => {
    const [a, b] = peers
    const names = async (zfs: ZfsClient) => (await collect(zfs.snapshots())).map(one => one.name)
    await throughProxy(a, async zfs => {
      assert.is((await zfs.createSnapshot('of-a')).name, 'of-a')
      assert.equal(await names(zfs), ['of-a'])
      const again = await rejection(zfs.createSnapshot('of-a'))
      assert.is(again.code, 'ERR_EXISTS')
    })
    // it is that of one repo, and the daemon itself says the same
    assert.match(await a.daemon.cli('snapshot', 'list'), /"name":"of-a"/)
    assert.equal(await throughProxy(b, names), [])
    await throughProxy(a, async zfs => {
      await zfs.destroySnapshot('of-a')
      assert.equal(await names(zfs), [])
      assert.match((await rejection(zfs.destroySnapshot('of-a'))).message, /no snapshot of-a/)
    })
  })

  test('a pinset is one pin of Cluster, and each member an indirect one', async context => {
    const { folder, peers } = context
    const [a, b] = peers
    const texts = Array.from({ length: 300 }, (_, i) => `member ${i}`)
    const cids = await putBlocks(a.daemon.rpc, texts)
    const old = await pinsetOf(a.daemon, folder, cids.slice(0, 290))
    await a.ctl('pin', 'add', '--no-status', '--name', 'a pinset', old)
    await reach(a, old, 'pinned pinned pinned')
    await checkBlocks(peers, old, 291)
    await checkIndirect(peers, [cids[0] ?? '', cids[289] ?? ''], old)

    const next = await pinsetOf(a.daemon, folder, cids.slice(10))
    await b.ctl('pin', 'update', '--no-status', old, next)
    await reach(a, next, 'pinned pinned pinned')
    await a.ctl('pin', 'rm', '--no-status', old)
    await unpinned(peers, old)
    await checkIndirect(peers, [cids[10] ?? '', cids[299] ?? ''], next)
    await b.rest('POST', 'ipfs/gc')
    await checkBlocks(peers, next, 291)
    for (const { daemon } of peers) {
      assert.not(await hasBlock(daemon.rpc, cids[0] ?? ''))
    }
  })
}
