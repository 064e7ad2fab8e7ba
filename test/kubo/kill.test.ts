/**
 * SIGKILL in the middle of adds, of our daemon and of Kubo: what was added and synced is there.
 * ROUNDS=50 for the full run.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { buildProgram } from '../../src/kubo/build.ts'
import { hashOf, missing, noise, pause, Rig, type Kubo } from './harness.ts'

const ROUNDS = Number(process.env['ROUNDS'] ?? 4)
const FILE_BYTES = 12 * 1024 * 1024

async function check(rig: Rig, kubo: Kubo, added: Map<string, string>): Promise<void> {
  const pinned = new Set((await kubo.run('pin', 'ls', '--type=recursive', '-q')).split('\n'))
  for (const [cid, hash] of added) {
    assert.ok(pinned.has(cid), `the pin of ${cid} is lost`)
    assert.is(await kubo.catHash(cid), hash)
  }
  await kubo.run('repo', 'verify')
  await kubo.stop()
  await rig.stop()
  const report = JSON.parse(await rig.cli('repo', 'verify')) as { ok: boolean; blocks: number }
  assert.is(report.ok, true)
  assert.ok(report.blocks > 0)
}

async function rounds(victim: 'ipfs-zfs' | 'kubo'): Promise<void> {
  const rig = await Rig.create()
  try {
    await rig.start()
    const kubo = await rig.kubo(await buildProgram('ipfs'))
    await kubo.start('--offline')
    const added = new Map<string, string>()
    let killed = 0
    for (let round = 0; round < ROUNDS; round++) {
      const bytes = noise(FILE_BYTES)
      const adding = kubo.try(['add', '-Q'], bytes)
      await pause(Math.random() * 400)
      if (victim === 'kubo') {
        await kubo.stop('SIGKILL')
        // It may have found no daemon, and work in the repo itself.
        await adding
        await kubo.start('--offline')
      } else {
        await rig.stop('SIGKILL')
        await rig.start()
      }
      const { code } = await adding
      killed += code === 0 ? 0 : 1
      // Kubo's retry: with what it believes to have, in the cache of its daemon.
      added.set(await kubo.add(bytes), hashOf(bytes))
    }
    const again = kubo.said.match(/ changes that were not synced have been sent again/g) ?? []
    console.log(
      `${ROUNDS} rounds of SIGKILL to ${victim}: ${killed} adds failed and were repeated; ` +
        `the plugin sent again what was not synced ${again.length} times`
    )
    await check(rig, kubo, added)
  } finally {
    await rig.remove()
  }
}

const why = missing()
if (why != null) {
  console.log(`skipped: ${why}`)
  test.skip('SIGKILL', () => {})
} else {
  test('SIGKILL of our daemon during adds loses nothing that Kubo stored', () => rounds('ipfs-zfs'))
  test('SIGKILL of Kubo during adds loses nothing that it told', () => rounds('kubo'))
}

test.run()
