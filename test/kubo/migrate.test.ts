/** Repos of Kubo's own datastores move over: whole, verified, and after being stopped half-way. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { buildProgram } from '../../src/kubo/build.ts'
import { hashOf, Kubo, missing, noise, pause, Rig } from './harness.ts'

const PROFILES = ['flatfs', 'pebbleds', 'badgerds']

async function foreign(rig: Rig, ipfs: string, profile: string): Promise<Kubo> {
  const kubo = new Kubo(ipfs, join(rig.folder, profile))
  await kubo.run('init', `--profile=test,${profile}`)
  return kubo
}

async function filled(kubo: Kubo): Promise<Map<string, string>> {
  const added = new Map<string, string>()
  for (const size of [0, 1, 3_000_000]) {
    const bytes = noise(size)
    added.set(await kubo.add(bytes, '--cid-version', String(size === 1 ? 0 : 1)), hashOf(bytes))
  }
  await kubo.run('files', 'mkdir', '/kept')
  return added
}

async function check(kubo: Kubo, added: Map<string, string>, pins: string): Promise<void> {
  for (const [cid, hash] of added) assert.is(await kubo.catHash(cid), hash)
  assert.is(await pinsOf(kubo), pins)
  assert.is(await kubo.run('files', 'ls', '/'), 'kept')
  await kubo.run('repo', 'verify')
}

async function pinsOf(kubo: Kubo): Promise<string> {
  return (await kubo.run('pin', 'ls', '--type=recursive')).split('\n').sort().join('\n')
}

const why = missing()
if (why != null) {
  console.log(`skipped: ${why}`)
  test.skip('migrate', () => {})
} else {
  for (const profile of PROFILES) {
    test(`a ${profile} repo moves over`, async () => {
      const rig = await Rig.create()
      try {
        const kubo = await foreign(rig, await buildProgram('ipfs'), profile)
        const added = await filled(kubo)
        const pins = await pinsOf(kubo)
        const env = { IPFS_PATH: kubo.path }
        // Without a daemon: the command opens the repo itself.
        const moved = JSON.parse(await rig.cliWith(env, 'kubo', 'migrate')) as { blocks: number }
        assert.ok(moved.blocks > 12)
        await access(join(kubo.path, 'config.before-zfs'))
        await rig.start()
        await check(kubo, added, pins)
        const again = await rig.tryCli(env, 'kubo', 'migrate')
        assert.match(again.stderr, /in an ipfs-zfs daemon already/)
      } finally {
        await rig.remove()
      }
    })
  }

  test('it goes on after SIGKILL; before the end the old repo is as it was', async () => {
    const rig = await Rig.create()
    try {
      const [ipfs, program] = [await buildProgram('ipfs'), await buildProgram('migrate')]
      await rig.start()
      const kubo = await foreign(rig, ipfs, 'flatfs')
      const added = await filled(kubo)
      for (let i = 0; i < 4; i++) {
        const bytes = noise(8_000_000)
        added.set(await kubo.add(bytes), hashOf(bytes))
      }
      const pins = await pinsOf(kubo)
      const spec = await readFile(join(kubo.path, 'datastore_spec'), 'utf8')
      const address = `unix:${join(rig.repo, 'datastore')}`
      for (let round = 0; round < 4; round++) {
        const child = spawn(program, ['-repo', kubo.path, '-address', address])
        const ended = once(child, 'close')
        await pause(100 + Math.random() * 200)
        child.kill('SIGKILL')
        await ended
        if ((await readFile(join(kubo.path, 'datastore_spec'), 'utf8')) !== spec) break
        await kubo.run('repo', 'stat')
      }
      await rig.cliWith({ IPFS_PATH: kubo.path }, 'kubo', 'migrate')
      await check(kubo, added, pins)
    } finally {
      await rig.remove()
    }
  })

  test('a damaged block stops it before anything is switched', async () => {
    const rig = await Rig.create()
    try {
      const kubo = await foreign(rig, await buildProgram('ipfs'), 'flatfs')
      await kubo.add(noise(100_000))
      const blocks = join(kubo.path, 'blocks')
      const [folder = ''] = (await readdir(blocks)).filter(name => name.length === 2)
      const [file = ''] = await readdir(join(blocks, folder))
      await writeFile(join(blocks, folder, file), 'not what it was')
      const env = { IPFS_PATH: kubo.path }
      const stopped = await rig.tryCli(env, 'kubo', 'migrate')
      assert.is(stopped.code, 1)
      assert.match(stopped.stderr, new RegExp(`${file.replace('.data', '')}.*damaged`))
      await kubo.run('repo', 'stat')
      await rm(join(blocks, folder, file))
      await rig.cliWith(env, 'kubo', 'migrate')
    } finally {
      await rig.remove()
    }
  })
}

test.run()
