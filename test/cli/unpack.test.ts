import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Header } from 'tar'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { unpack, type Unpacked } from '../../src/cli/unpack.ts'

interface Entry {
  path: string
  type?: 'File' | 'Directory' | 'SymbolicLink' | 'Link'
  content?: string
  linkpath?: string
}

const root: Entry = { path: 'root', type: 'Directory' }
const test = suite('unpack')
let folder = ''

test.before.each(async () => {
  folder = await mkdtemp(join(tmpdir(), 'unpack-'))
})
test.after.each(() => rm(folder, { recursive: true }))

function tarOf(entries: Entry[]): Buffer {
  const blocks = entries.flatMap(({ path, type = 'File', content = '', linkpath }) => {
    const header = Buffer.alloc(512)
    const size = Buffer.byteLength(content)
    const target = linkpath == null ? {} : { linkpath }
    new Header({ path, type, mode: 0o644, size, mtime: new Date(0), ...target }).encode(header)
    const body = Buffer.alloc(Math.ceil(size / 512) * 512)
    body.write(content)
    return [header, body]
  })
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}

async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size)
}

function into(target: string, entries: Entry[], chunk = 700): Promise<Unpacked> {
  const options = { target: join(folder, target), signal: AbortSignal.timeout(10_000) }
  return unpack(inChunks(tarOf(entries), chunk), options)
}

async function refused(entries: Entry[], why: RegExp): Promise<void> {
  try {
    await into('out', entries)
  } catch (error) {
    assert.match(String(error), why)
    return
  }
  assert.unreachable('it was unpacked')
}

test('a tree, in chunks of any size', async () => {
  const entries: Entry[] = [
    { path: 'root', type: 'Directory' },
    { path: 'root/empty' },
    { path: 'root/a', content: 'a'.repeat(3000) },
    { path: 'root/sub', type: 'Directory' },
    { path: 'root/sub/link', type: 'SymbolicLink', linkpath: '../a' },
    { path: 'root/sub/b', content: 'b' }
  ]
  for (const chunk of [1, 511, 512, 100_000]) {
    const done = await into(`out-${chunk}`, entries, chunk)
    const counts = { files: 3, folders: 2, symlinks: 1, bytes: 3001 }
    assert.equal(done, { path: join(folder, `out-${chunk}`), ...counts })
    assert.is(await readFile(join(done.path, 'sub/link'), 'utf8'), 'a'.repeat(3000))
    assert.equal((await readdir(done.path)).sort(), ['a', 'empty', 'sub'])
  }
})

test('a root that is a file takes the name, or goes into the folder of that name', async () => {
  await into('file', [{ path: 'baf', content: '1' }])
  assert.is(await readFile(join(folder, 'file'), 'utf8'), '1')
  await mkdir(join(folder, 'there'))
  await into('there', [{ path: 'baf', content: '2' }])
  assert.is(await readFile(join(folder, 'there/baf'), 'utf8'), '2')
})

test('names that leave the target', async () => {
  await refused([root, { path: 'root/../escaped', content: 'x' }], /outside the target/)
  await refused([{ path: '../escaped', content: 'x' }], /outside the target/)
  await refused([{ path: '/escaped', content: 'x' }], /outside the target/)
  await refused([root, { path: 'root/./x', content: 'x' }], /outside the target/)
  assert.equal(await readdir(folder), ['out'])
  assert.equal(await readdir(join(folder, 'out')), [])
})

test("the archive's own symlinks are not followed", async () => {
  await mkdir(join(folder, 'outside'))
  await refused(
    [
      { path: 'root', type: 'Directory' },
      { path: 'root/d', type: 'SymbolicLink', linkpath: join(folder, 'outside') },
      { path: 'root/d/x', content: 'x' }
    ],
    /is a folder already/
  )
  assert.equal(await readdir(join(folder, 'outside')), [])
})

test('symlinks that were there are replaced or refused, never followed', async () => {
  await mkdir(join(folder, 'outside'))
  await mkdir(join(folder, 'out'))
  await writeFile(join(folder, 'outside/kept'), 'kept')
  await symlink(join(folder, 'outside/kept'), join(folder, 'out/f'))
  await into('out', [root, { path: 'root/f', content: 'new' }])
  assert.is(await readFile(join(folder, 'outside/kept'), 'utf8'), 'kept')
  assert.is(await readFile(join(folder, 'out/f'), 'utf8'), 'new')
  await symlink(join(folder, 'outside'), join(folder, 'out/d'))
  await refused([root, { path: 'root/d/x', content: 'x' }], /is not a folder/)
  assert.equal(await readdir(join(folder, 'outside')), ['kept'])
})

test('a folder is not replaced by a file', async () => {
  await mkdir(join(folder, 'out/f'), { recursive: true })
  await refused([root, { path: 'root/f', content: 'x' }], /is a folder already/)
})

test('what is neither file, folder nor symlink', async () => {
  await refused([root, { path: 'root/x', type: 'Link', linkpath: '/etc/passwd' }], /sent a Link/)
})

test('a truncated archive leaves no half file', async () => {
  const whole = tarOf([{ path: 'root', content: 'x'.repeat(5000) }])
  const options = { target: join(folder, 'out'), signal: AbortSignal.timeout(10_000) }
  for (const length of [3000, 600]) {
    try {
      await unpack(inChunks(whole.subarray(0, length), 700), options)
      assert.unreachable()
    } catch (error) {
      assert.match(String(error), /Truncated|truncated|ended/i)
    }
    assert.equal(await readdir(folder), [])
  }
})

test('a dangling symlink as root', async () => {
  await into('out', [{ path: 'root', type: 'SymbolicLink', linkpath: 'nowhere' }])
  assert.is(await readlink(join(folder, 'out')), 'nowhere')
})

test.run()
