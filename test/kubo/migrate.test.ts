/** Repos of Kubo's own datastores move over: whole, verified, and after being stopped half-way. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { access, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { buildProgram } from '../../src/kubo/build.ts'
import { hashOf, Kubo, missing, noise, Rig } from './harness.ts'

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

/** SIGKILLs what `start` starts once so many bytes have gone to or from the socket. */
async function killedAfter(
  bytes: number,
  socket: string,
  folder: string,
  start: (address: string) => ChildProcess
): Promise<void> {
  let left = bytes
  const proxy = createServer(client => {
    const door = connect(socket)
    for (const [from, to] of [
      [client, door],
      [door, client]
    ] as const) {
      from.on('error', () => {})
      from.on('close', () => to.destroy())
      from.on('data', (chunk: Buffer) => {
        left -= chunk.length
        if (left >= 0) to.write(chunk)
        else child.kill('SIGKILL')
      })
    }
  })
  const path = join(folder, 'proxy')
  await new Promise<void>(resolve => proxy.listen(path, resolve))
  const child = start(`unix:${path}`)
  const [, signal] = (await once(child, 'close')) as [number | null, string | null]
  assert.is(signal, 'SIGKILL')
  await new Promise(resolve => proxy.close(resolve))
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
      const blockBytes = 32_000_000
      for (let i = 0; i < 4; i++) {
        const bytes = noise(blockBytes / 4)
        added.set(await kubo.add(bytes), hashOf(bytes))
      }
      const pins = await pinsOf(kubo)
      const spec = await readFile(join(kubo.path, 'datastore_spec'), 'utf8')
      for (let round = 0; round < 4; round++) {
        // Of every run, all blocks go through: copied, or read back to be compared.
        const after = Math.floor(Math.random() * blockBytes)
        await killedAfter(after, join(rig.repo, 'datastore'), rig.folder, address =>
          spawn(program, ['-repo', kubo.path, '-address', address])
        )
        assert.is(await readFile(join(kubo.path, 'datastore_spec'), 'utf8'), spec)
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
