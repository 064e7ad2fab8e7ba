/**
 * Run as root in the lab: what goes wrong with a pool of the kernel's, each with its own error.
 *
 *   bad-input.ts FOLDER
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { openRepo, type RepoInit } from '../../../src/index.ts'
import { native } from '../../../src/native.ts'
import { blockOf, whole } from '../../blocks.ts'
import { rejection } from '../../rejection.ts'

const [folder = ''] = process.argv.slice(2)
const MIB = 1024 * 1024
const sh = (command: string): string => String(execFileSync('bash', ['-c', command]))
const block = blockOf(new Uint8Array(1000))

async function failsWith(name: string, message: RegExp, work: Promise<unknown>): Promise<void> {
  const error = await rejection(work)
  assert.is(error.name, name, error.stack)
  assert.match(error.message, message)
  console.log(`ok ${name}: ${error.message}`)
}

const path = join(folder, 'repo')
const kernel: RepoInit = { path, engine: 'kernel' }

// A pool that is not there.
await failsWith(
  'NotFoundError',
  /does not exist/,
  native.openPool({ name: 'nothing', vdevs: [join(folder, 'none')], engine: 'kernel' })
)
await failsWith('NotFoundError', /not imported/, native.exportPool('nothing'))

// In use by the other engine: each way.
const made = await openRepo({
  path,
  create: true,
  engine: 'embedded',
  pool: { sizeBytes: 512 * MIB }
})
await made.blockstore.put(block.cid, block.bytes)
const pool = (await made.stat()).pool.name
await made.close()
const holder = spawn(process.execPath, ['test/repo/hold-repo.ts', path], {
  env: { ...process.env, IPFS_ZFS_ENGINE: 'embedded' },
  stdio: ['pipe', 'pipe', 'inherit']
})
await once(holder.stdout, 'data')
await failsWith('PoolInUseError', new RegExp(`in use by process ${holder.pid}`), openRepo(kernel))
holder.kill('SIGKILL')
await once(holder, 'exit')
const open = await openRepo(kernel)
await failsWith(
  'PoolInUseError',
  /imported by this machine's kernel/,
  native.openPool({ name: pool, vdevs: [join(path, 'pool.img')], engine: 'embedded' })
)

// Another process on the same datasets.
const second = spawn(process.execPath, ['test/repo/hold-repo.ts', path], {
  env: { ...process.env, IPFS_ZFS_ENGINE: 'kernel' },
  stdio: ['pipe', 'pipe', 'pipe']
})
let said = ''
second.stderr.on('data', (chunk: Buffer) => (said += String(chunk)))
await once(second, 'close')
assert.match(said, new RegExp(`in use by process ${process.pid}`))
console.log('ok two processes')

// Busy: what is open is neither unmounted nor exported.
await failsWith('BusyError', /in use|busy/, native.exportPool(pool))
assert.equal(await whole(open.blockstore.get(block.cid)), block.bytes)
await open.close()
assert.not(native.kernelHasPool(pool))

// Read-only, and unmounted.
await native.importPool(pool, [join(path, 'pool.img')])
sh(`zfs set readonly=on ${pool}/ipfs`)
await failsWith('NotWritableError', /read-only/, openRepo(kernel))
sh(`zfs set readonly=off ${pool}/ipfs; zfs unmount ${pool}/ipfs/shard-0000`)
const again = await openRepo(kernel)
assert.equal(await whole(again.blockstore.get(block.cid)), block.bytes)

// Unmounted under us: what can be forced is refused by the kernel, and what is lazy goes on.
sh(`! umount -f /${pool}/ipfs/shard-0000 2>/dev/null && umount -l /${pool}/ipfs/shard-0000`)
await again.blockstore.put(block.cid, block.bytes)
assert.equal(await whole(again.blockstore.get(block.cid)), block.bytes)
await again.close()
console.log('ok unmounted under us')

// No place to mount.
sh(`zfs set mountpoint=none ${pool}/ipfs`)
await failsWith('InvalidParametersError', /mountpoint=none/, openRepo(kernel))
sh(`zfs inherit mountpoint ${pool}/ipfs`)
await (await openRepo(kernel)).close()

// Another pool of the same name.
await native.exportPool(pool)
sh(`truncate -s 128M ${folder}/other && zpool create ${pool} ${folder}/other`)
await failsWith('InvalidParametersError', /another pool named/, openRepo(kernel))
sh(`zpool destroy ${pool}`)

// A dataset with changes in its intent log is the kernel's until it was mounted there.
await (await openRepo(kernel)).close()

// A tenant of a pool: nothing about the pool can be chosen, and it is there once.
sh(`truncate -s 512M ${folder}/tank && zpool create tank ${folder}/tank`)
const tenant = { ...kernel, path: join(folder, 'tenant'), create: true }
await failsWith(
  'InvalidParametersError',
  /pool.sizeBytes cannot be chosen/,
  openRepo({ ...tenant, pool: { name: 'tank', sizeBytes: 512 * MIB } })
)
const repo = await openRepo({ ...tenant, engine: 'auto', pool: { name: 'tank' } })
await repo.blockstore.put(block.cid, block.bytes)
await repo.close()
assert.ok(native.kernelHasPool('tank'), 'a pool that was there stays')
const reopened = await openRepo({ path: tenant.path })
assert.equal(await whole(reopened.blockstore.get(block.cid)), block.bytes)
await reopened.close()
await failsWith(
  'ExistsError',
  /has a dataset tank\/ipfs already/,
  openRepo({ ...tenant, path: join(folder, 'second'), pool: { name: 'tank' } })
)

// Quota.
sh('zfs set quota=16M tank/ipfs')
const full = await openRepo({ path: tenant.path })
await failsWith('NoSpaceError', /quota|full/, fill(full))
assert.equal(await whole(full.blockstore.get(block.cid)), block.bytes)
await full.blockstore.delete(block.cid)
assert.not(await full.blockstore.has(block.cid))
await full.close()
rmSync(join(folder, 'second'), { recursive: true, force: true })

async function fill(to: Awaited<ReturnType<typeof openRepo>>): Promise<void> {
  for (let i = 0; i < 200; i++) {
    const { cid, bytes } = blockOf(crypto.getRandomValues(new Uint8Array(65_536)))
    await to.blockstore.put(cid, bytes)
  }
}
