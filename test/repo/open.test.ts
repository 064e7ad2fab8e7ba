/** Opening and making repos: what goes wrong, and that each has an error of its own. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Key } from 'interface-datastore'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as ipfsZfs from '../../src/index.ts'
import { native } from '../../src/native.ts'
import { blockOf, whole } from '../blocks.ts'
import { rejection } from '../rejection.ts'
import { MIB, tempFolder, tempRepo } from '../temp-repo.ts'
import { NEWER, useKnownFeature, useNewerFeature } from './newer-feature.ts'

const { openRepo } = ipfsZfs
const test = suite<{ folder: string; remove: () => Promise<void> }>('openRepo')
const pool = { sizeBytes: 128 * MIB }

test.before.each(async context => {
  Object.assign(context, await tempFolder())
})
test.after.each(async ({ remove }) => remove())

async function failsWith(
  name: keyof typeof ipfsZfs,
  init: ipfsZfs.RepoInit,
  message: RegExp
): Promise<void> {
  const error = await rejection(openRepo(init))
  assert.is(error.name, name, error.stack)
  assert.instance(error, ipfsZfs[name])
  assert.match(error.message, message)
}

test('makes, closes and opens a repo', async ({ folder }) => {
  const { cid, bytes } = blockOf(new Uint8Array([1, 2, 3]))
  const made = await openRepo({ path: folder, create: true, pool })
  await made.blockstore.put(cid, bytes)
  await made.datastore.put(new Key('/a'), bytes)
  await made.close()
  await made.close()
  assert.is((await rejection(made.blockstore.has(cid))).name, 'ClosedError')
  assert.is((await rejection(made.datastore.has(new Key('/a')))).name, 'ClosedError')
  assert.is((await rejection(made.stat())).name, 'ClosedError')
  const opened = await openRepo({ path: folder })
  assert.equal(await whole(opened.blockstore.get(cid)), bytes)
  assert.equal(await opened.datastore.get(new Key('/a')), bytes)
  const stat = await opened.stat()
  assert.is(stat.blocks, 1)
  assert.is(stat.records, 1)
  assert.is(stat.datasets.length, 7)
  await opened.close()
  const again = await openRepo({ path: folder, create: true, shards: 4 })
  await again.close()
})

test('the index keeps the memory it is given', async ({ folder }) => {
  const { cid, bytes } = blockOf(new Uint8Array([1, 2, 3]))
  const indexMemoryBytes = 200 * MIB
  const made = await openRepo({ path: folder, create: true, pool, indexMemoryBytes })
  await made.blockstore.put(cid, bytes)
  const roomy = (await made.stat()).indexMemoryBytes
  await made.close()
  assert.ok(roomy <= indexMemoryBytes, String(roomy))
  const opened = await openRepo({ path: folder, indexMemoryBytes: 0 })
  assert.equal(await whole(opened.blockstore.get(cid)), bytes)
  assert.ok((await opened.stat()).indexMemoryBytes < roomy)
  await opened.close()
  await failsWith(
    'InvalidParametersError',
    { path: folder, indexMemoryBytes: -1 },
    /indexMemoryBytes/
  )
})

test('a path without a repo', async ({ folder }) => {
  await failsWith('RepoMissingError', { path: folder }, /no repo at .*ipfs-zfs init/)
  await failsWith('RepoMissingError', { path: join(folder, 'not/there') }, /no repo at/)
})

test('a path that cannot be written', async ({ folder }) => {
  const file = join(folder, 'file')
  await writeFile(file, 'x')
  await failsWith('NotWritableError', { path: file, create: true, pool }, /cannot be written/)
  const below = join(file, 'below')
  await failsWith('NotWritableError', { path: below, create: true, pool }, /cannot be written/)
  const inSys = { path: '/sys/ipfs-zfs-test', create: true, pool }
  await failsWith('NotWritableError', inSys, /cannot be written/)
})

test('a layout that does not fit', async ({ folder }) => {
  const vdevs = ['a', 'b', 'c'].map(name => join(folder, name))
  const cases: Array<[ipfsZfs.PoolInit, RegExp]> = [
    [{ vdevs: vdevs.slice(0, 1), layout: 'mirror' }, /mirror needs at least 2 vdevs, 1 given/],
    [{ vdevs: vdevs.slice(0, 1), layout: 'raidz1' }, /raidz1 needs at least 2/],
    [{ vdevs: vdevs.slice(0, 2), layout: 'raidz2' }, /raidz2 needs at least 3/],
    [{ vdevs, layout: 'raidz3' }, /raidz3 needs at least 4/],
    [{ vdevs: [], layout: 'stripe' }, /stripe needs at least 1/],
    [{ vdevs: [vdevs[0] ?? '', vdevs[0] ?? ''], layout: 'mirror' }, /named twice/],
    [{ vdevs, layout: 'raid5' as ipfsZfs.Layout }, /"raid5" is no layout/]
  ]
  for (const [init, message] of cases) {
    await failsWith('BadLayoutError', { path: folder, create: true, pool: init }, message)
  }
})

test('a vdev that is too small', async ({ folder }) => {
  const small = { path: folder, create: true, pool: { sizeBytes: 64 * MIB - 1 } }
  await failsWith('VdevTooSmallError', small, /64 MiB/)
  const file = join(folder, 'small.img')
  await writeFile(file, '')
  await truncate(file, 63 * MIB)
  const existing = { path: folder, create: true, pool: { vdevs: [file] } }
  await failsWith('VdevTooSmallError', existing, /small\.img has 66060288 bytes/)
})

test('parameters out of bounds', async ({ folder }) => {
  const name = 'InvalidParametersError'
  await failsWith(name, { path: '' }, /path/)
  const bad: Array<[Partial<ipfsZfs.RepoInit>, RegExp]> = [
    [{ shards: 0 }, /shards is 0/],
    [{ shards: 1.5 }, /shards is 1.5/],
    [{ pool: { name: 'mirror-1' } }, /cannot be a pool's name/],
    [{ pool: { name: '../x' } }, /cannot be a pool's name/],
    [{ pool: { ashift: 40 } }, /ashift is 40/],
    [{ durability: 'never' as 'txg' }, /durability/],
    [{ pool: { vdevs: [folder] } }, /neither a file nor a block device/]
  ]
  for (const [init, message] of bad) {
    await failsWith(name, { path: folder, create: true, ...init }, message)
  }
})

test('another pool or shards than the repo has', async ({ folder }) => {
  await (await openRepo({ path: folder, create: true, pool: { ...pool, name: 'one' } })).close()
  const exists = 'RepoExistsError'
  const asked = { path: folder, create: true }
  await failsWith(exists, { ...asked, pool: { name: 'two' } }, /with name one, not two/)
  await failsWith(exists, { ...asked, pool: { layout: 'mirror' } }, /layout stripe, not mirror/)
  await failsWith(exists, { ...asked, pool: { vdevs: ['/elsewhere'] } }, /not \/elsewhere/)
  await failsWith(exists, { ...asked, shards: 7 }, /with 4 shards, not 7/)
  await (await openRepo({ ...asked, pool: { name: 'one', layout: 'stripe' } })).close()
})

test('a damaged or newer configuration', async ({ folder }) => {
  const config = join(folder, 'config.json')
  await writeFile(config, '{ "format": 1')
  await failsWith('CorruptError', { path: folder }, /config\.json is not JSON/)
  await writeFile(config, '{ "format": 1, "engine": "embedded" }')
  await failsWith('CorruptError', { path: folder, create: true }, /"pool\.name" must be a name/)
  await writeFile(config, '{ "format": 99 }')
  await failsWith('NewerVersionError', { path: folder }, /format 99.*update/)
})

test('a pool with a feature that this ZFS does not have', async ({ folder }) => {
  const { cid, bytes } = blockOf(new Uint8Array([1, 2, 3]))
  const made = await openRepo({ path: folder, create: true, pool })
  await made.blockstore.put(cid, bytes)
  await made.close()
  const image = join(folder, 'pool.img')
  await useNewerFeature(image)
  const says = new RegExp(`uses features .*\\(${NEWER}\\); open it with a newer one`)
  await failsWith('NewerVersionError', { path: folder }, says)
  await useKnownFeature(image)
  const opened = await openRepo({ path: folder })
  assert.equal(await whole(opened.blockstore.get(cid)), bytes)
  await opened.close()
})

test('a repo that was left half made is made again', async ({ folder }) => {
  const made = await openRepo({ path: folder, create: true, pool })
  await made.close()
  const image = join(folder, 'pool.img')
  const marker = { pid: 2 ** 22 + 1, pool: 'x', files: [image] }
  await rm(join(folder, 'config.json'))
  await writeFile(join(folder, 'making.json'), JSON.stringify(marker))
  await failsWith('RepoMissingError', { path: folder }, /no repo/)
  const again = await openRepo({ path: folder, create: true, pool })
  assert.is((await again.stat()).blocks, 0)
  await again.close()
  assert.is((await rejection(readFile(join(folder, 'making.json')))).code, 'ENOENT')
})

test('a repo that another process is making', async ({ folder }) => {
  const marker = { pid: process.ppid, pool: 'x', files: [] }
  await writeFile(join(folder, 'making.json'), JSON.stringify(marker))
  const busy = new RegExp(`process ${process.ppid} is making a repo`)
  await failsWith('BusyError', { path: folder, create: true, pool }, busy)
})

test('a vdev that holds a pool already', async ({ folder }) => {
  await (await openRepo({ path: folder, create: true, pool })).close()
  await rm(join(folder, 'config.json'))
  await failsWith('ExistsError', { path: folder, create: true, pool }, /pool/)
})

test('a pool file that is gone, or is something else', async ({ folder }) => {
  await (await openRepo({ path: folder, create: true, pool })).close()
  const image = join(folder, 'pool.img')
  await truncate(image, 0)
  await truncate(image, 128 * MIB)
  await failsWith('NotAPoolError', { path: folder }, /./)
  await rm(image)
  await failsWith('NotFoundError', { path: folder }, /pool\.img/)
})

test('the same repo twice in one process, by whatever path', async ({ folder }) => {
  const temp = await tempRepo({ pool })
  const mine = new RegExp(`open in this process \\(pid ${process.pid}\\)`)
  await failsWith('PoolInUseError', { path: temp.folder }, mine)
  const link = join(folder, 'link')
  await symlink(temp.folder, link)
  await failsWith('PoolInUseError', { path: link }, mine)
  await temp.remove()
})

test('a repo that another process holds: the error has its pid', async ({ folder }) => {
  const holder = spawn(process.execPath, [join(import.meta.dirname, 'hold-repo.ts'), folder], {
    stdio: ['pipe', 'pipe', 'inherit']
  })
  await once(holder.stdout, 'data')
  await failsWith('PoolInUseError', { path: folder }, new RegExp(`\\b${holder.pid}\\b`))
  holder.stdin.end()
  await once(holder, 'exit')
  await (await openRepo({ path: folder })).close()
})

test('two repos in one process', async () => {
  const [one, two] = await Promise.all([tempRepo({ pool }), tempRepo({ pool })])
  const block = blockOf(new Uint8Array([7]))
  await one.repo.blockstore.put(block.cid, block.bytes)
  await one.repo.datastore.put(new Key('/one'), block.bytes)
  assert.not(await two.repo.blockstore.has(block.cid))
  assert.not(await two.repo.datastore.has(new Key('/one')))
  await one.remove()
  await two.repo.blockstore.put(block.cid, block.bytes)
  assert.ok(await two.repo.blockstore.has(block.cid))
  await two.remove()
})

test('work begun before close is done', async () => {
  const temp = await tempRepo({ pool })
  const block = blockOf(new Uint8Array([8]))
  const put = temp.repo.blockstore.put(block.cid, block.bytes)
  const record = temp.repo.datastore.put(new Key('/late'), block.bytes)
  const closed = temp.repo.close()
  await Promise.all([put, record, closed])
  await temp.reopen()
  assert.ok(await temp.repo.blockstore.has(block.cid))
  assert.ok(await temp.repo.datastore.has(new Key('/late')))
  await temp.remove()
})

test('a folder that was moved, with its pool file in it', async ({ folder }) => {
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  await (await openRepo({ path: from, create: true, pool })).close()
  await rename(from, to)
  const repo = await openRepo({ path: to })
  assert.is((await repo.stat()).pool.state, 'ONLINE')
  await repo.close()
})

test('readonly=on is about mounts: this engine writes all the same', async ({ folder }) => {
  const engine = 'embedded'
  const made = await openRepo({ path: folder, create: true, engine, pool })
  const { root } = made.zfs
  const { name } = (await made.stat()).pool
  await made.close()
  const opened = await native.openPool({ name, vdevs: [join(folder, 'pool.img')], engine })
  await opened.setProperties(root, { readonly: 'on' })
  await opened.close()
  const repo = await openRepo({ path: folder, engine })
  const { readonly } = await repo.zfs.getProperties(`${root}/shard-0000`)
  assert.is(readonly, 'on')
  const { cid, bytes } = blockOf(new Uint8Array(1000))
  await repo.blockstore.put(cid, bytes)
  await repo.datastore.put(new Key('/a'), bytes)
  await repo.close()
  const again = await openRepo({ path: folder, engine })
  assert.equal(await whole(again.blockstore.get(cid)), bytes)
  assert.equal(await again.datastore.get(new Key('/a')), bytes)
  assert.ok((await again.verify()).ok)
  await again.close()
})

test('the layouts: mirror and raidz1 of files', async ({ folder }) => {
  for (const [layout, count] of [
    ['mirror', 2],
    ['raidz1', 3]
  ] as const) {
    const path = join(folder, layout)
    const vdevs = Array.from({ length: count }, (_, i) => join(folder, `${layout}${i}.img`))
    const repo = await openRepo({ path, create: true, pool: { ...pool, vdevs, layout } })
    const { pool: status } = await repo.stat()
    assert.is(status.state, 'ONLINE')
    assert.is(status.root.children[0]?.children.length, count)
    await repo.close()
    await (await openRepo({ path })).close()
  }
})

test.run()
