/**
 * The Go client's own tests, among them go-datastore's SubtestAll, against a real repo: over the
 * socket all of them, over TCP with a token, with and without TLS, a few.
 * IPFS_ZFS_TEST_ELEMENTS=100 for the suite at its own size, which takes many minutes.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { missing, run } from './harness.ts'

const GO = fileURLToPath(new URL('../../native/kubo/', import.meta.url))
const SERVE = fileURLToPath(new URL('./serve.ts', import.meta.url))

async function within(work: (folder: string, program: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'kubo-suite-'))
  try {
    const program = join(folder, 'zfsremote.test')
    // By way of `env -C`: go test -c has no option for where the module is.
    const args = ['-C', GO, 'go', 'test', '-c', '-trimpath', '-o', program, './zfsremote']
    const built = await run('env', args)
    assert.is(built.code, 0, built.stderr)
    await work(folder, program)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function serving<T>(
  args: string[],
  env: Record<string, string>,
  work: (address: string) => Promise<T>
): Promise<T> {
  const child: ChildProcess = spawn(process.execPath, ['--no-warnings', SERVE, ...args], {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'inherit']
  })
  if (child.stdout == null) throw new Error('there is no pipe')
  const closed = once(child, 'close')
  try {
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
    return await work((JSON.parse(line) as { address: string }).address)
  } finally {
    child.stdin?.end()
    await closed
  }
}

/** How many tests passed; throws the output when one did not, or none ran. */
async function goTests(program: string, pattern: string, env: Record<string, string>) {
  const { code, stdout, stderr } = await run(program, ['-test.v', '-test.run', pattern], env)
  const lines = stdout.split('\n').filter(line => /^(--- |\s+--- FAIL|FAIL|panic)/.test(line))
  assert.is(code, 0, `${lines.join('\n')}${stderr}`)
  assert.not.match(stdout, /--- SKIP/)
  const passed = stdout.match(/^--- PASS/gm) ?? []
  assert.ok(passed.length > 0, 'no test ran')
  return passed.length
}

const why = missing()
if (why != null) {
  console.log(`skipped: ${why}`)
  test.skip('the Go tests', () => {})
} else {
  test('SubtestAll and the rest, over the socket, on a real repo', () =>
    within(async (folder, program) => {
      const address = `unix:${join(folder, 's')}`
      await serving([address, join(folder, 'repo')], {}, async () => {
        assert.is(await goTests(program, '', { IPFS_ZFS_TEST_ADDRESS: address }), 13)
      })
    }))

  test('over TCP with a token, plain and with TLS', () =>
    within(async (folder, program) => {
      const token = { IPFS_ZFS_TEST_TOKEN: 'a-token-of-sixteen-or-more' }
      const pattern = 'EmptyValues|Cancelled|BatchOver|RowAreSeen|SecondOwner'
      await serving(['127.0.0.1:0', 'memory'], token, async address => {
        const env = { ...token, IPFS_ZFS_TEST_ADDRESS: address }
        assert.is(await goTests(program, pattern, env), 5)
      })
      const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
      const made = await run('openssl', [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'],
        ...[
          '-nodes',
          '-days',
          '2',
          '-subj',
          '/CN=ipfs-zfs',
          '-addext',
          'subjectAltName=IP:127.0.0.1'
        ],
        ...['-keyout', key, '-out', cert]
      ])
      assert.is(made.code, 0, made.stderr)
      const tls = { ...token, IPFS_ZFS_TEST_CERT: cert, IPFS_ZFS_TEST_KEY: key }
      await serving(['127.0.0.1:0', 'memory'], tls, async address => {
        const ca = await readFile(cert, 'utf8')
        const env = { ...token, IPFS_ZFS_TEST_ADDRESS: address, IPFS_ZFS_TEST_CA: ca }
        assert.is(await goTests(program, pattern, env), 5)
      })
    }))
}

test.run()
