import { execFileSync } from 'node:child_process'
import { mkdir, readFile, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Bench, bothWays, run, withDaemon } from './harness.ts'

interface Added {
  name: string
  cid: string
  size: number
}

interface Listed {
  name: string
  cid: string
  size: number
  type: string
  target?: string
}

/** From Kubo. */
const helloCid = 'bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4'
const helloCidV0 = 'QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o'
const emptyFolderV0 = 'QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn'

const test = suite('files')

async function oddTree(root: string): Promise<void> {
  await mkdir(join(root, 'empty folder'), { recursive: true })
  await mkdir(join(root, 'deep/er/still'), { recursive: true })
  const names = [
    'plain.txt',
    'two words  and more ',
    'ünïcødé – 漢字 🦊',
    '100%25 + "quotes" & <tags>',
    "it's (a) *name*!~",
    'new\nline',
    'back\\slash',
    '-starts-with-dash',
    'n'.repeat(255),
    'deep/er/still/x'
  ]
  for (const name of names) await writeFile(join(root, name), `content of ${name}`)
  await writeFile(join(root, 'empty'), '')
  await writeFile(join(root, 'exactly 256 KiB'), Buffer.alloc(262_144, 1))
  await writeFile(join(root, 'some MiB'), Buffer.alloc(3_000_001, 'abc'))
  await symlink('plain.txt', join(root, 'link'))
  await symlink('../nowhere', join(root, 'dangling'))
}

function sameTree(a: string, b: string): void {
  execFileSync('diff', ['--no-dereference', '-r', a, b], { stdio: 'pipe' })
}

test('a tree with odd names comes back as it was', () =>
  bothWays(async bench => {
    await oddTree(bench.path('tree'))
    const added = await bench.lines<Added>(['add', 'tree'])
    const root = added.at(-1) ?? { name: '', cid: '' }
    assert.is(root.name, 'tree')
    assert.is(added.length, 20)
    const got = await bench.json<object>(['get', root.cid, '-o', 'back'])
    const counts = { files: 13, folders: 5, symlinks: 2 }
    const { path, bytes, ...rest } = got as { path: string; bytes: number }
    assert.equal(rest, counts)
    assert.is(path, bench.path('back'))
    assert.ok(bytes > 3_262_145)
    sameTree(bench.path('tree'), bench.path('back'))
    // Again on top of it, and by default under the CID.
    await bench.ok(['get', root.cid, '-o', 'back'])
    sameTree(bench.path('tree'), bench.path('back'))
    await bench.ok(['get', `${root.cid}/deep/er`])
    sameTree(bench.path('tree/deep/er'), bench.path('er'))
  }))

test('the CIDs are those of Kubo', () =>
  withDaemon(async bench => {
    await writeFile(bench.path('hello'), 'hello world\n')
    await mkdir(bench.path('nothing'))
    const [v1] = await bench.lines<Added>(['add', 'hello'])
    assert.equal(v1, { name: 'hello', cid: helloCid, size: 12 })
    assert.is(await bench.ok(['add', '--only-hash', '-Q', 'hello']), helloCid)
    assert.is(await bench.ok(['add', '--cid-version', '0', '-q', 'hello']), helloCidV0)
    assert.is(await bench.ok(['add', '--cid-version', '0', '-Q', 'nothing']), emptyFolderV0)
    assert.is(await bench.ok(['add', '-Q', '-'], { input: 'hello world\n' }), helloCid)
    assert.is(
      await bench.ok(['add', '-Q', '--cid-version=0', '-'], { input: 'hello world\n' }),
      helloCidV0
    )
  }))

test('only-hash stores nothing', () =>
  withDaemon(async bench => {
    await bench.ok(['add', '--only-hash', '-'], { input: 'not kept' })
    assert.equal(await bench.lines(['refs', 'local']), [])
  }))

test('what add prints', () =>
  withDaemon(async bench => {
    await mkdir(bench.path('a/b'), { recursive: true })
    await writeFile(bench.path('a/b/hello'), 'hello world\n')
    const text = await bench.ok(['add', 'a'])
    const names = text.split('\n').map(line => line.replace(/^added (baf\w+) /, ''))
    assert.equal(names, ['a/b/hello', 'a/b', 'a'])
    assert.is((await bench.ok(['add', '-q', 'a'])).split('\n')[0], helloCid)
    const [only] = await bench.lines<Added>(['add', '-Q', 'a'])
    assert.is(only?.name, 'a')
    const { stderr } = await bench.run(['add', 'a'])
    assert.is(stderr, '')
    const wrapped = await bench.lines<Added>(['add', '-w', 'a/b/hello'])
    assert.equal(
      wrapped.map(({ name }) => name),
      ['hello', '']
    )
    const root = wrapped.at(-1)?.cid ?? ''
    assert.is(await bench.ok(['cat', `${root}/hello`]), 'hello world')
  }))

test('hidden files, links that are named, and the same name twice', () =>
  withDaemon(async bench => {
    await mkdir(bench.path('d'))
    await mkdir(bench.path('e'))
    await writeFile(bench.path('d/.hidden'), '1')
    await writeFile(bench.path('d/same'), '2')
    await writeFile(bench.path('e/same'), '3')
    await symlink('same', bench.path('d/link'))
    const names = async (...args: string[]) =>
      (await bench.lines<Added>(['add', ...args])).map(({ name }) => name)
    assert.equal((await names('d')).sort(), ['d', 'd/link', 'd/same'])
    assert.equal((await names('-H', 'd')).sort(), ['d', 'd/.hidden', 'd/link', 'd/same'])
    assert.equal(await names('d/.hidden'), ['.hidden'])
    assert.equal(await names('d/same', 'e/same'), ['same', 'same'])
    const followed = await bench.json<Added>(['add', '--dereference-args', 'd/link'])
    assert.is(await bench.ok(['cat', followed.cid]), '2')
    const { code, stderr } = await bench.run(['add', '-w', 'd/same', 'e/same'])
    assert.is(code, 2)
    assert.match(stderr, /different names/)
  }))

test('ls', () =>
  withDaemon(async bench => {
    await mkdir(bench.path('d/sub'), { recursive: true })
    await writeFile(bench.path('d/b.txt'), 'hello world\n')
    await writeFile(bench.path('d/big'), Buffer.alloc(1_000_000))
    await symlink('b.txt', bench.path('d/link'))
    const root = await bench.ok(['add', '-Q', 'd'])
    const listed = await bench.lines<Listed>(['ls', root])
    assert.equal(
      listed.map(({ name, type, size }) => [name, type, size]),
      [
        ['b.txt', 'file', 12],
        ['big', 'file', 1_000_000],
        ['link', 'symlink', 5],
        ['sub', 'directory', 0]
      ]
    )
    assert.is(listed[0]?.cid, helloCid)
    const text = await bench.ok(['ls', root])
    const lines = text.split('\n').map(line => line.trim().split(/\s+/).slice(1).join(' '))
    assert.equal(lines, ['SIZE NAME', '12 B b.txt', '977 KiB big', '5 B link -> b.txt', '- sub/'])
    assert.is(await bench.ok(['ls', `${root}/sub`]), '')
    assert.equal(await bench.lines(['ls', `${root}/sub`]), [])
  }))

test('cat, with a range', () =>
  withDaemon(async bench => {
    const bytes = Buffer.alloc(1_500_000)
    for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(at, at)
    await writeFile(bench.path('f'), bytes)
    const cid = await bench.ok(['add', '-Q', 'f'])
    assert.ok((await bench.run(['cat', cid])).out.equals(bytes))
    const part = await bench.run(['cat', cid, '--offset', '262140', '--length', '10'])
    assert.ok(part.out.equals(bytes.subarray(262_140, 262_150)))
    assert.is((await bench.run(['cat', cid, cid])).out.length, 3_000_000)
  }))

test('a file of 1 GiB needs little memory', async () => {
  await using bench = await Bench.make(['--size', '4G'])
  await bench.startDaemon()
  await writeFile(bench.path('big'), '')
  await truncate(bench.path('big'), 1 << 30)
  const memory = ['--max-old-space-size=64', '--max-semi-space-size=4']
  const env = { NODE_OPTIONS: memory.join(' ') }
  const cid = await bench.ok(['add', '-Q', 'big'], { env })
  await bench.ok(['get', cid, '-o', 'back'], { env })
  execFileSync('cmp', [bench.path('big'), bench.path('back')])
})

test('thousands of files', () =>
  withDaemon(async bench => {
    for (let folder = 0; folder < 20; folder++) {
      await mkdir(bench.path(`many/${folder}`), { recursive: true })
      for (let file = 0; file < 100; file++) {
        await writeFile(bench.path(`many/${folder}/${file}`), `${folder} ${file}`)
      }
    }
    const root = await bench.ok(['add', '-Q', 'many'])
    await bench.ok(['get', root, '-o', 'back'])
    sameTree(bench.path('many'), bench.path('back'))
  }))

test('names cannot send control codes to a terminal', async () => {
  await using bench = await Bench.make()
  await writeFile(bench.path('a\u001b[31mred'), 'x')
  const text = await bench.ok(['add', '-w', 'a\u001b[31mred'])
  assert.not.match(text, /\u001b/)
  assert.match(text, /a\\u001b\[31mred/)
  const root = await bench.ok(['add', '-Q', '-w', 'a\u001b[31mred'])
  assert.not.match(await bench.ok(['ls', root]), /\u001b/)
})

test('get writes nothing outside its target', async () => {
  await using bench = await Bench.make()
  // A folder whose one link is named "../escaped".
  const file = await bench.ok(['block', 'put'], { input: 'x' })
  const node = JSON.stringify({
    Data: { '/': { bytes: 'CAE' } },
    Links: [{ Hash: { '/': file }, Name: '../escaped', Tsize: 1 }]
  })
  const root = await bench.ok(['dag', 'put', '--store-codec', 'dag-pb'], { input: node })
  await bench.fails(['get', root, '-o', 'in'])
  assert.is((await run(['--version'])).code, 2)
  await readFile(bench.path('escaped')).then(
    () => assert.unreachable('it escaped'),
    () => {}
  )
})

test.run()
