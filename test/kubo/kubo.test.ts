/** A real Kubo on a real repo, from init to garbage collection, in both layouts. */
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { buildProgram } from '../../src/kubo/build.ts'
import { hashOf, Kubo, missing, noise, Rig, run } from './harness.ts'

const TREE_MB = Number(process.env['TREE_MB'] ?? 48)
const FILES = 24

async function within(work: (rig: Rig, ipfs: string) => Promise<void>): Promise<void> {
  const rig = await Rig.create()
  try {
    await rig.start()
    await work(rig, await buildProgram('ipfs'))
  } finally {
    await rig.remove()
  }
}

interface Tree {
  folder: string
  hashes: Map<string, string>
}

async function makeTree(rig: Rig): Promise<Tree> {
  const folder = join(rig.folder, 'tree')
  const hashes = new Map<string, string>()
  await mkdir(join(folder, 'sub'), { recursive: true })
  for (let i = 0; i < FILES; i++) {
    const bytes = noise(i === 0 ? 0 : Math.round((TREE_MB * 1024 * 1024 * 2 * i) / FILES ** 2))
    const name = i % 2 === 0 ? `file-${i}` : `sub/file-${i}`
    await writeFile(join(folder, name), bytes)
    hashes.set(name, hashOf(bytes))
  }
  return { folder, hashes }
}

async function checkTree(kubo: Kubo, root: string, { hashes }: Tree): Promise<void> {
  for (const [name, hash] of hashes) {
    assert.is(await kubo.catHash(`${root}/${name}`), hash, name)
  }
}

async function everyday(rig: Rig, kubo: Kubo): Promise<void> {
  const tree = await makeTree(rig)
  const root = await kubo.run('add', '-rQ', tree.folder)
  await checkTree(kubo, root, tree)
  assert.match(await kubo.run('ls', root), /sub\//)
  assert.is(await kubo.run('add', '-rQ', '--pin=false', tree.folder), root)

  // pins
  const other = await kubo.add(Buffer.from('other'), '--pin=false')
  assert.match(await kubo.run('pin', 'ls', '--type=recursive', root), / recursive/)
  await kubo.run('pin', 'update', root, other, '--unpin=false')
  await kubo.run('pin', 'add', '--name', 'a name', other)
  assert.match(await kubo.run('pin', 'ls', '--names', '--type=recursive'), /a name/)
  await kubo.run('pin', 'rm', other)
  assert.is((await kubo.try(['pin', 'ls', '--type=recursive', other])).code, 1)

  // MFS
  await kubo.run('files', 'mkdir', '/folder')
  await kubo.run('files', 'cp', `/ipfs/${root}`, '/folder/tree')
  await kubo.try(['files', 'write', '--create', '/folder/note'], Buffer.from('a note'))
  await kubo.run('files', 'flush', '/folder')
  assert.is(await kubo.run('files', 'read', '/folder/note'), 'a note')

  // CAR
  const car = join(dirname(kubo.path), 'tree.car')
  await kubo.exportTo(car, root)
  await kubo.run('files', 'rm', '-r', '/folder')
  await kubo.run('pin', 'rm', root)
  const collected = (await kubo.run('repo', 'gc', '-q')).split('\n').length
  assert.ok(collected > FILES, `${collected} blocks were collected`)
  const gone = await kubo.try(['--offline', 'cat', `${root}/file-2`])
  assert.is(gone.code, 1)
  const imported = await kubo.try(['dag', 'import', '--stats', car])
  assert.is(imported.code, 0, imported.stderr)
  await checkTree(kubo, root, tree)

  const stat = await kubo.run('repo', 'stat')
  const figure = (name: string) => Number(new RegExp(`${name}: +(\\d+)`).exec(stat)?.[1])
  assert.ok(figure('NumObjects') > TREE_MB * 2, stat)
  assert.ok(figure('RepoSize') >= TREE_MB * 0.9 * 1024 * 1024, stat)
  assert.ok(figure('StorageMax') > 2 * 1024 ** 3, stat)
  await kubo.run('repo', 'verify')
}

/** Stock Kubo knows neither the type nor the data. */
async function stockRefuses(kubo: Kubo): Promise<void> {
  const stock = process.env['STOCK_IPFS'] ?? '/tmp/kubo/bin/ipfs'
  if (existsSync(stock)) {
    const { code, stderr } = await run(stock, ['repo', 'stat'], { IPFS_PATH: kubo.path })
    assert.is(code, 1)
    assert.match(stderr, /unknown datastore type: zfsremote/)
  }
}

const why = missing()
if (why != null) {
  console.log(`skipped: ${why}`)
  test.skip('Kubo', () => {})
} else {
  for (const layout of ['mount', 'root']) {
    test(`${layout} layout: everyday commands, offline, with a daemon, and after restarts`, () =>
      within(async (rig, ipfs) => {
        const kubo = await rig.kubo(ipfs, 'ipfs', '--layout', layout)
        const spec = await readFile(join(kubo.path, 'datastore_spec'), 'utf8')
        assert.not.match(spec, /unix:|address|token|reconnect/)
        await kubo.add(Buffer.from('before any daemon'))
        await stockRefuses(kubo)
        await kubo.start('--offline')
        await everyday(rig, kubo)
        await kubo.stop()
        await rig.stop()
        await rig.start()
        const cid = await kubo.add(Buffer.from('before any daemon'))
        assert.match(await kubo.run('pin', 'ls', '--type=recursive', cid), / recursive/)
        // Online: the provider's keystore opens datastores of its own.
        await kubo.start()
        assert.is(await kubo.run('cat', cid), 'before any daemon')
        await kubo.stop()
        await kubo.start()
        await kubo.run('repo', 'verify')
        await kubo.stop()
      }))
  }

  test('two Kubos exchange a file over bitswap', () =>
    within(async (rig, ipfs) => {
      const there = await Rig.create()
      try {
        await there.start()
        const [a, b] = [await rig.kubo(ipfs), await there.kubo(ipfs)]
        await a.start()
        await b.start()
        const bytes = noise(6 * 1024 * 1024)
        const cid = await a.add(bytes)
        const address = (await a.run('id', '-f', '<addrs>')).split('\n')[0] ?? ''
        await b.run('swarm', 'connect', address)
        assert.is(await b.catHash(cid), hashOf(bytes))
      } finally {
        await there.remove()
      }
    }))

  test('a Kubo over TCP with a token; a wrong one is refused', () =>
    within(async (rig, ipfs) => {
      await rig.stop()
      const ready = await rig.start('--datastore', '127.0.0.1:0')
      const address = String(ready['datastore'])
      assert.match(address, /^127\.0\.0\.1:\d+$/)
      const token = join(rig.repo, 'datastore.token')
      const at = ['--datastore', address, '--datastore-token']
      const kubo = await rig.kubo(ipfs, 'tcp', ...at, token)
      const cid = await kubo.add(Buffer.from('over TCP'))
      assert.is(await kubo.run('cat', cid), 'over TCP')
      const wrong = join(rig.folder, 'wrong')
      await writeFile(wrong, 'x'.repeat(64))
      const env = { IPFS_PATH: join(rig.folder, 'refused') }
      const refused = await rig.tryCli(env, 'kubo', 'init', '--ipfs', ipfs, ...at, wrong)
      assert.is(refused.code, 1)
      assert.match(refused.stderr, /the token is wrong/)
      assert.is(existsSync(env.IPFS_PATH), false)
    }))

  test('garbage that a snapshot holds is told; our own collection is refused', () =>
    within(async (rig, ipfs) => {
      const kubo = await rig.kubo(ipfs)
      const cid = await kubo.add(noise(4 * 1024 * 1024))
      await rig.cli('snapshot', 'create', 'before')
      await kubo.run('pin', 'rm', cid)
      const { code, stderr } = await kubo.try(['repo', 'gc', '-q'])
      assert.is(code, 0, stderr)
      const [, held] = /(\d+) bytes .*still in snapshots.* before \(/.exec(stderr) ?? []
      assert.ok(Number(held) > 3.9 * 1024 * 1024, stderr)
      const own = await rig.tryCli({}, 'repo', 'gc')
      assert.is(own.code, 1)
      assert.match(own.stderr, /belong to the Kubo of namespace kubo-/)
      assert.is(await kubo.catHash(await kubo.add(Buffer.from('x'))), hashOf(Buffer.from('x')))
    }))

  test('a Kubo without its daemon says so, and works when it is back', () =>
    within(async (rig, ipfs) => {
      const kubo = await rig.kubo(ipfs)
      await kubo.start('--offline')
      await rig.stop()
      const lost = await kubo.try(['add', '-Q'], noise(1000))
      assert.is(lost.code, 1)
      assert.match(lost.stderr, /the ipfs-zfs daemon does not answer/)
      await rig.start()
      assert.is(
        await kubo.catHash(await kubo.add(Buffer.from('back'))),
        hashOf(Buffer.from('back'))
      )
    }))

  test('configure changes what differs, shows it first, and leaves a foreign repo alone', () =>
    within(async (rig, ipfs) => {
      const kubo = await rig.kubo(ipfs)
      const env = { IPFS_PATH: kubo.path }
      const configure = async (...args: string[]) =>
        JSON.parse(await rig.cliWith(env, 'kubo', 'configure', ...args)) as {
          changes: Array<{ path: string }>
        }
      assert.equal((await configure('--dry-run')).changes, [])
      await kubo.run('config', '--json', 'Datastore.HashOnRead', 'true')
      await kubo.run('config', 'Provide.Strategy', 'all')
      const paths = ({ changes }: { changes: Array<{ path: string }> }) =>
        changes.map(({ path }) => path).sort()
      const both = ['Datastore.HashOnRead', 'Provide.Strategy']
      assert.equal(paths(await configure('--dry-run')), both)
      assert.is(await kubo.run('config', 'Provide.Strategy'), 'all')
      assert.equal(paths(await configure()), both)
      assert.is(await kubo.run('config', 'Provide.Strategy'), 'pinned+mfs')
      const foreign = new Kubo(ipfs, join(rig.folder, 'flatfs'))
      await foreign.run('init', '--profile=test')
      const refused = await rig.tryCli({ IPFS_PATH: foreign.path }, 'kubo', 'configure')
      assert.match(refused.stderr, /ERR_KUBO_ELSEWHERE.*kubo migrate/)
    }))
}

test.run()
