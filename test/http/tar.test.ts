/** Tar streams against the system's tar, and names that must not leave the folder. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import * as dagPb from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import { CID } from 'multiformats/cid'
import * as assert from 'uvu/assert'
import { sha256 } from '../../src/unixfs/hashers.ts'
import { suite } from '../suite.ts'
import { call, lines, serveNode, type Served } from './harness.ts'

const run = promisify(execFile)
const test = suite<Served & { folder: string }>('tar')

test.before(async context => {
  Object.assign(context, await serveNode())
  context.folder = await mkdtemp(join(tmpdir(), 'ipfs-zfs-tar-'))
})
test.after(async ({ running, folder }) => {
  await running.stop()
  await rm(folder, { recursive: true, force: true })
})

const long = 'n'.repeat(150)
const big = Buffer.alloc(700_001, 3)

test('unpacks to what was added, long and wide names too', async ({ rpc, folder }) => {
  const files = [
    { name: 't/a', body: 'a' },
    { name: `t/${long}/big`, body: big },
    { name: 't/ünïcode 名前', body: 'u' },
    { name: 't/empty', type: 'application/x-directory' },
    { name: 't/link', body: `${long}/big`, type: 'application/symlink' }
  ]
  const root = lines<{ Hash: string }>(await call(rpc, 'add', files)).at(-1)?.Hash ?? ''
  for (const [options, flag] of [
    ['', '-xf'],
    ['&compress=true&archive=true', '-xzf']
  ] as const) {
    const answer = await call(rpc, `get?arg=${root}${options}`)
    const archive = join(folder, 'archive')
    await writeFile(archive, answer.body)
    await rm(join(folder, root), { recursive: true, force: true })
    await run('tar', [flag, archive, '-C', folder])
    const at = (name: string) => join(folder, root, name)
    assert.is(await readFile(at('a'), 'utf8'), 'a')
    assert.equal(await readFile(at(`${long}/big`)), big)
    assert.is(await readFile(at('ünïcode 名前'), 'utf8'), 'u')
    assert.is(await readlink(at('link')), `${long}/big`)
  }
})

test('a file: as tar, or compressed as it is', async ({ rpc, folder }) => {
  const [added] = lines<{ Hash: string }>(await call(rpc, 'add', [{ name: 'f', body: big }]))
  const tar = await call(rpc, `get?arg=${added?.Hash}`)
  assert.is(tar.headers['content-type'], 'application/x-tar')
  assert.is(tar.headers['x-content-length'], String(big.byteLength))
  await writeFile(join(folder, 'f.tar'), tar.body)
  const { stdout } = await run('tar', ['-tf', join(folder, 'f.tar')])
  assert.is(stdout, `${added?.Hash}\n`)
  const zipped = await call(rpc, `get?arg=${added?.Hash}&compress=true&compression-level=1`)
  assert.is(zipped.headers['content-type'], 'application/gzip')
  await writeFile(join(folder, 'f.gz'), zipped.body)
  const plain = await run('gzip', ['-dc', join(folder, 'f.gz')], { encoding: 'buffer' })
  assert.equal(plain.stdout, big)
})

test('names that lead out of the folder break the stream', async ({ rpc, repo }) => {
  for (const name of ['..', 'a/b', '']) {
    const leaf = CID.parse('bafkqablimvwgy3y')
    const bytes = dagPb.encode(
      dagPb.prepare({
        Data: new UnixFS({ type: 'directory' }).marshal(),
        Links: [{ Name: name, Hash: leaf, Tsize: 5 }]
      })
    )
    const cid = CID.createV1(dagPb.code, sha256.digest(bytes))
    await repo.blockstore.put(cid, bytes)
    assert.ok((await call(rpc, `get?arg=${String(cid)}`)).broken, JSON.stringify(name))
  }
})

test.run()
