import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Bench, bothWays, run, withDaemon } from './harness.ts'

const test = suite('failures')

test('a command line that makes no sense: exit code 2', async () => {
  const lines = [
    ['nonsense'],
    ['add'],
    ['add', '--nonsense', 'x'],
    ['add', '--cid-version', '2', 'x'],
    ['cat'],
    ['block', 'nonsense'],
    ['init', '--size', 'large'],
    ['init', '--layout', 'pyramid'],
    ['init', '--shards', 'x'],
    ['pin', 'ls', '--type', 'x'],
    ['daemon', '--rpc', 'nonsense'],
    ['daemon', '--gc-above', '101'],
    ['daemon', '--gc-age', 'long'],
    ['daemon', '--gc-age', '1h']
  ]
  for (const args of lines) {
    const human = await run(args)
    assert.is(human.code, 2, args.join(' '))
    assert.match(human.stderr, /^ipfs-zfs: [^\n]+\n$/, args.join(' '))
    assert.is(human.stdout, '')
    const { code, stderr } = await run(['--json', ...args])
    assert.is(code, 2)
    const { error } = JSON.parse(stderr) as { error: { code: string } }
    assert.is(error.code, 'ERR_USAGE')
  }
})

test('--json may come last', async () => {
  const { code, stderr } = await run(['cat', 'a', '--json', '--nonsense'])
  assert.is(code, 2)
  assert.match(stderr, /^{"error":{"code":"ERR_USAGE","message":"unknown option/)
})

test('help', async () => {
  const help = await run(['--help'])
  assert.is(help.code, 0)
  for (const name of ['init', 'daemon', 'add', 'snapshot']) assert.match(help.stdout, name)
  assert.is((await run(['add', '--help'])).code, 0)
  assert.match((await run(['add', '--help'])).stdout, '--json')
  assert.is((await run([])).code, 2)
})

test('no repo', async () => {
  await using bench = await Bench.make(false)
  for (const args of [
    ['ls', 'x'],
    ['repo', 'stat'],
    ['add', '-'],
    ['snapshot', 'list']
  ]) {
    const { code, message } = await bench.fails(args)
    assert.is(code, 'ERR_REPO_MISSING')
    assert.match(message, /ipfs-zfs init/)
  }
  assert.equal(await readdir(bench.folder), [])
})

test('the repo by IPFS_ZFS_PATH and by HOME', async () => {
  await using bench = await Bench.make()
  const stat = (env: Record<string, string>) => run(['repo', 'stat'], { env })
  assert.is((await stat({ IPFS_ZFS_PATH: bench.repo })).code, 0)
  const { stderr } = await stat({ IPFS_ZFS_PATH: '', HOME: bench.folder })
  assert.ok(stderr.includes(join(bench.folder, '.ipfs-zfs')))
})

test('init twice, and on what cannot be', async () => {
  await using bench = await Bench.make()
  assert.is((await bench.fails(['init'])).code, 'ERR_REPO_EXISTS')
  await using none = await Bench.make(false)
  const init = async (...args: string[]) => (await none.fails(['init', ...args])).code
  assert.is(await init('--size', '1M'), 'ERR_VDEV_TOO_SMALL')
  assert.is(await init('--size', '1G', '--layout', 'mirror'), 'ERR_BAD_LAYOUT')
  await writeFile(none.path('file'), '')
  const { code } = await none.run(['init', '--repo', none.path('file/x')])
  assert.is(code, 1)
})

test('files that are not there or cannot be read', () =>
  withDaemon(async bench => {
    assert.equal(await bench.fails(['add', 'none']), {
      code: 'ENOENT',
      message: 'none: no such file or folder'
    })
    await mkdir(bench.path('d'))
    await writeFile(bench.path('d/locked'), 'x')
    if (process.getuid?.() === 0) return
    await chmod(bench.path('d/locked'), 0)
    assert.is((await bench.fails(['add', 'd'])).code, 'EACCES')
  }))

test('what is no file', async () => {
  await using bench = await Bench.make()
  const { message } = await bench.fails(['add', '/dev/null'])
  assert.match(message, /only files, folders and symbolic links/)
  await mkdir(bench.path('d'))
  await writeFile(Buffer.concat([Buffer.from(bench.path('d/bad-')), Buffer.of(0xff)]), 'x')
  assert.match((await bench.fails(['add', 'd'])).message, /UTF-8/)
})

test('a repo in use by a process that is no daemon', async () => {
  await using bench = await Bench.make(false)
  const script = join(import.meta.dirname, '../repo/hold-repo.ts')
  const holder = spawn(process.execPath, [script, bench.repo])
  try {
    await once(holder.stdout, 'data')
    const { code, message } = await bench.fails(['repo', 'stat'])
    assert.is(code, 'ERR_POOL_IN_USE')
    assert.match(message, String(holder.pid))
  } finally {
    holder.kill('SIGKILL')
  }
})

test('an api file whose daemon is gone', async () => {
  await using bench = await Bench.make()
  for (const text of ['/ip4/127.0.0.1/tcp/1', 'nonsense', '/unix/nonexistent']) {
    await writeFile(join(bench.repo, 'api'), text)
    await bench.ok(['repo', 'stat'])
  }
})

test('what needs a daemon says so', async () => {
  await using bench = await Bench.make()
  for (const args of [
    ['swarm', 'peers'],
    ['swarm', 'connect', '/ip4/1.2.3.4/tcp/1'],
    ['shutdown']
  ]) {
    const { code, message } = await bench.fails(args)
    assert.is(code, 'ERR_NO_DAEMON')
    assert.match(message, /ipfs-zfs daemon/)
  }
})

test('a reader that goes away is no error to speak of', () =>
  bothWays(async bench => {
    await writeFile(bench.path('big'), Buffer.alloc(5_000_000, 'x\n'))
    const cid = await bench.ok(['add', '-Q', 'big'])
    const line = `"$0" "$1" --repo "$2" cat ${cid} | head -1`
    const main = join(import.meta.dirname, '../../src/cli/main.ts')
    const shell = spawn('bash', ['-c', line, process.execPath, main, bench.repo])
    let out = ''
    let errors = ''
    shell.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    shell.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
    await new Promise(resolve => shell.once('close', resolve))
    assert.is(out, 'x\n')
    assert.is(errors, '')
    assert.is(await bench.ok(['cat', '-l', '1', cid]), 'x')
  }))

test('an interrupt stops the work, and the repo is whole', () =>
  bothWays(async bench => {
    const input = Buffer.alloc(20_000_000)
    for (const ms of [200, 1500, 3000]) {
      input.fill(ms)
      const signalAfter = { signal: 'SIGINT', ms } as const
      const { code, signal, stderr } = await bench.run(['add', '-'], {
        signalAfter,
        input,
        holdInput: true
      })
      // Before it listens for signals, the process just ends.
      assert.ok(code === 130 || signal === 'SIGINT', `${code} ${signal}`)
      assert.is(stderr, '')
    }
    const { ok } = await bench.json<{ ok: boolean }>(['repo', 'verify'])
    assert.is(ok, true)
  }))

test.run()
