/**
 * Run as root in the lab, with OpenZFS's tools on the path: what goes wrong with a pool of the
 * kernel's, each with its own error, and what was put before is there after each.
 *
 *   bad-input.ts FOLDER
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Key } from 'interface-datastore'
import * as assert from 'uvu/assert'
import { openRepo, type Repo, type RepoInit } from '../../../src/index.ts'
import { native } from '../../../src/native.ts'
import { exportPool } from '../../../src/repo/move-pool.ts'
import { blockOf, randomBlocks, whole } from '../../blocks.ts'
import { rejection } from '../../rejection.ts'
import { NEWER, useKnownFeature, useNewerFeature } from '../../repo/newer-feature.ts'
import { sh } from './sh.ts'

const [folder = ''] = process.argv.slice(2)
const MIB = 1024 * 1024
const path = join(folder, 'repo')
const image = join(path, 'pool.img')
const kernel: RepoInit = { path, engine: 'kernel' }
const block = blockOf(new Uint8Array(1000))

async function failsWith(name: string, message: RegExp, work: Promise<unknown>): Promise<void> {
  const error = await rejection(work)
  assert.is(error.name, name, error.stack)
  assert.match(error.message, message)
  console.log(`ok ${name}: ${error.message}`)
}

/** By OpenZFS's tool, which now and then finds a pool busy that nobody uses any more. */
async function toolExports(): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      sh('zpool', 'export', pool)
      return
    } catch (error) {
      console.log(`zpool export, try ${tries}: ${String(error)}\n${usersOf(folderOfPool)}`)
      if (tries === 10) throw error
      await sleep(200)
    }
  }
}

/** Every open file and current folder in there. */
function usersOf(place: string): string {
  return sh(
    'sh',
    '-c',
    `ls -l /proc/[0-9]*/fd /proc/[0-9]*/cwd 2>/dev/null | grep ${place} || true`
  )
}

/** All is there, and more can be put. */
async function expectWhole(repo: Repo): Promise<void> {
  const [more] = randomBlocks(1, 300_000)
  assert.ok(more)
  await repo.blockstore.put(more.cid, more.bytes)
  assert.equal(await whole(repo.blockstore.get(block.cid)), block.bytes)
  assert.equal(await whole(repo.blockstore.get(more.cid)), more.bytes)
}

async function expectOpens(init: RepoInit = kernel): Promise<void> {
  const repo = await openRepo(init)
  await expectWhole(repo)
  const report = await repo.verify()
  assert.ok(report.ok, JSON.stringify(report))
  await repo.close()
}

const made = await openRepo({
  path,
  create: true,
  engine: 'embedded',
  shards: 1,
  pool: { sizeBytes: 512 * MIB }
})
await made.blockstore.put(block.cid, block.bytes)
const pool = (await made.stat()).pool.name
const root = `${pool}/ipfs`
const catalog = `${root}/catalog`
const folderOfPool = `/${pool}`
await made.close()

async function notThere(): Promise<void> {
  const vdevs = [join(folder, 'none')]
  const asked = native.openPool({ name: 'nothing', vdevs, engine: 'kernel' })
  await failsWith('NotFoundError', /does not exist/, asked)
  await failsWith('NotFoundError', /not imported/, native.exportPool('nothing'))
}

function hold(engine: 'embedded' | 'kernel'): ChildProcess {
  return spawn(process.execPath, ['test/repo/hold-repo.ts', path], {
    env: { ...process.env, IPFS_ZFS_ENGINE: engine },
    stdio: ['pipe', 'pipe', 'pipe']
  })
}

async function inUse(): Promise<void> {
  const holder = hold('embedded')
  await once(holder.stdout!, 'data')
  await failsWith('PoolInUseError', new RegExp(`in use by process ${holder.pid}`), openRepo(kernel))
  holder.kill('SIGKILL')
  await once(holder, 'exit')

  const repo = await openRepo(kernel)
  const asked = native.openPool({ name: pool, vdevs: [image], engine: 'embedded' })
  await failsWith('PoolInUseError', /imported by this machine's kernel/, asked)
  const second = hold('kernel')
  let said = ''
  second.stderr?.on('data', (chunk: Buffer) => (said += String(chunk)))
  await once(second, 'close')
  assert.match(said, new RegExp(`in use by process ${process.pid}`))
  await expectWhole(repo)
  await repo.close()
}

/** What is open is neither unmounted nor exported; and an export that fails leaves all mounted. */
async function busy(): Promise<void> {
  const repo = await openRepo(kernel)
  await failsWith('BusyError', /is in use; close what/, native.exportPool(pool))
  assert.throws(() => sh('zpool', 'export', pool), /busy/)
  await expectWhole(repo)
  const user = spawn('sleep', ['1000'], { cwd: `${folderOfPool}/ipfs` })
  await repo.close()
  await failsWith('BusyError', /is in use; close what/, exportPool(native, path))
  assert.ok(native.kernelHasPool(pool, [image]))
  assert.match(sh('cat', '/proc/mounts'), `${catalog} ${folderOfPool}/ipfs/catalog zfs`)
  await expectOpens()
  user.kill()
  await once(user, 'exit')
  assert.is(await exportPool(native, path), pool)
  assert.not(native.kernelHasPool(pool))
}

async function readOnly(): Promise<void> {
  sh('zpool', 'import', '-d', path, '-N', pool)
  sh('zfs', 'set', 'readonly=on', root)
  const says = new RegExp(`read-only: run \`zfs set readonly=off ${root}\``)
  await failsWith('NotWritableError', says, openRepo(kernel))
  sh('zfs', 'set', 'readonly=off', root)
  await expectOpens()
  sh('mount', '-o', 'remount,ro', `${folderOfPool}/ipfs/catalog`)
  await failsWith('NotWritableError', /run `mount -o remount,rw \/\S+catalog`/, openRepo(kernel))
  await toolExports()
  sh('zpool', 'import', '-d', path, '-o', 'readonly=on', pool)
  await failsWith('NotWritableError', /import it without readonly=on/, openRepo(kernel))
  await toolExports()

  // And while it is open.
  const repo = await openRepo(kernel)
  sh('zfs', 'set', 'readonly=on', root)
  const [more] = randomBlocks(1, 300_000)
  assert.ok(more)
  await failsWith(
    'NotWritableError',
    /read-only; make it writable/,
    repo.blockstore.put(more.cid, more.bytes)
  )
  const record = repo.datastore.put(new Key('/a'), block.bytes)
  await failsWith('NotWritableError', /zfs set readonly=off/, record)
  assert.equal(await whole(repo.blockstore.get(block.cid)), block.bytes)
  sh('zfs', 'set', 'readonly=off', root)
  await expectWhole(repo)
  await repo.datastore.put(new Key('/a'), block.bytes)
  await repo.close()
  await expectOpens()
}

/** What is in use cannot be unmounted; one that is told not to mind goes on to the end. */
async function unmountedUnderUs(): Promise<void> {
  const repo = await openRepo(kernel)
  const shard = `${folderOfPool}/ipfs/shard-0000`
  assert.throws(() => sh('zfs', 'unmount', '-f', shard), /busy/)
  sh('umount', '-l', shard)
  await expectWhole(repo)
  await repo.close()
  await expectOpens()

  sh('zpool', 'import', '-d', path, pool)
  sh('mount', '-t', 'tmpfs', 'over', shard)
  await failsWith('InvalidParametersError', /another file system is mounted over/, openRepo(kernel))
  assert.is(sh('ls', shard), '')
  sh('umount', shard)
  await toolExports()
  await expectOpens()
}

async function mountedNowhere(): Promise<void> {
  sh('zpool', 'import', '-d', path, '-N', pool)
  for (const mountpoint of ['none', 'legacy']) {
    sh('zfs', 'set', `mountpoint=${mountpoint}`, root)
    const says = new RegExp(`do not say where \\(mountpoint=${mountpoint}, .*zfs set mountpoint=`)
    await failsWith('InvalidParametersError', says, openRepo(kernel))
  }
  // Somebody who mounts by hand may put it anywhere.
  for (const name of ['catalog', 'shard-0000']) {
    sh('mkdir', '-p', `/srv/by hand/${name}`)
    sh('mount', '-t', 'zfs', `${root}/${name}`, `/srv/by hand/${name}`)
  }
  await expectOpens()
  sh('umount', '/srv/by hand/catalog', '/srv/by hand/shard-0000')
  sh('zfs', 'inherit', 'mountpoint', root)
  await toolExports()
}

async function sameName(): Promise<void> {
  const other = join(folder, 'other.img')
  sh('truncate', '-s', '128M', other)
  sh('zpool', 'create', pool, other)
  const says = new RegExp(`another pool named '${pool}'.*export or rename that`)
  await failsWith('InvalidParametersError', says, openRepo(kernel))
  // The embedded engine has no need of the name; and nobody exports what is another's.
  await expectOpens({ path, engine: 'auto' })
  await exportPool(native, path)
  assert.ok(native.kernelHasPool(pool))
  assert.not(native.kernelHasPool(pool, [image]))
  sh('zpool', 'destroy', pool)
}

async function unknownFeature(): Promise<void> {
  await useNewerFeature(image)
  const says = new RegExp(`uses features .*\\(${NEWER}\\); open it with a newer one`)
  for (const engine of ['kernel', 'embedded'] as const) {
    await failsWith('NewerVersionError', says, openRepo({ path, engine }))
  }
  await useKnownFeature(image)
}

await notThere()
await inUse()
await busy()
await readOnly()
await unmountedUnderUs()
await mountedNowhere()
await sameName()
await unknownFeature()
await expectOpens()
assert.not(native.kernelHasPool(pool))
