/**
 * Run as root in the lab: what goes wrong with a pool of the kernel's, each with its own error.
 *
 *   bad-input.ts FOLDER
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { openRepo, type RepoInit } from '../../../src/index.ts'
import { native } from '../../../src/native.ts'
import { blockOf, whole } from '../../blocks.ts'
import { rejection } from '../../rejection.ts'

const [folder = ''] = process.argv.slice(2)
const MIB = 1024 * 1024
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
