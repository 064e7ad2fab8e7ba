/** A plain Kubo, with its own files and no part of this project, pins a pinset and all its members. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { buildProgram } from '../../src/kubo/build.ts'
import { KuboDaemon, ZfsDaemon } from '../cluster/daemons.ts'
import { ask } from '../cluster/rpc.ts'
import { call, form, lines, send } from '../http/harness.ts'
import { missing } from './harness.ts'

/** More than one leaf of a pinset holds (docs/pinset.md). */
const count = 5_000

/** Stores blocks that nothing links to. */
async function putMembers(port: number): Promise<string[]> {
  const { body, headers } = form(
    Array.from({ length: count }, (_, i) => ({ name: 'block', body: String(i) }))
  )
  const path = '/api/v0/block/put?cid-codec=raw'
  return lines<{ Key: string }>(await send(port, { path, headers, body })).map(({ Key }) => Key)
}

async function follows(zfs: ZfsDaemon, kubo: KuboDaemon, folder: string): Promise<void> {
  const cids = await putMembers(zfs.rpc)
  assert.is(new Set(cids).size, count)
  const file = join(folder, 'members')
  await writeFile(file, cids.join('\n'))
  const { cid } = JSON.parse(await zfs.cli('pinset', 'create', file)) as { cid: string }
  const { Addresses } = await ask<{ Addresses: string[] }>(zfs.rpc, 'id')
  await kubo.run('swarm', 'connect', Addresses[0] ?? '')
  assert.is(await kubo.run('pin', 'add', cid), `pinned ${cid} recursively`)
  assert.is(await kubo.run('pin', 'ls', '--type=recursive', '-q', cid), cid)
  for (const member of [cids[0], cids[2_500], cids.at(-1)]) {
    assert.is(await kubo.run('pin', 'ls', member ?? ''), `${member} indirect through ${cid}`)
  }
  // the root, its leaves and the members, also after Kubo has collected
  await kubo.run('repo', 'gc', '-q')
  const refs = await call(kubo.rpc, `refs?arg=${cid}&recursive=true&unique=true&offline=true`)
  const found = new Set(lines<{ Ref: string; Err: string }>(refs).map(({ Ref }) => Ref))
  assert.ok(cids.every(member => found.has(member)))
  assert.ok(found.size > count)
}

const why = missing()
if (why != null) {
  console.log(`skipped: ${why}`)
  test.skip('Kubo', () => {})
} else {
  test('a plain Kubo pins a pinset, and its members are indirect pins', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'kubo-pinset-'))
    const zfs = await ZfsDaemon.make(folder)
    const kubo = await KuboDaemon.make(await buildProgram('ipfs'), folder)
    try {
      await zfs.start()
      await kubo.start()
      await follows(zfs, kubo, folder)
    } finally {
      await kubo.stop()
      await zfs.stop()
      await rm(folder, { recursive: true, force: true })
    }
  })
}

test.run()
