/** The lab itself: what comes back of a command, and what is said when it cannot run. */
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { inLab, labFolder, ROOT, startLab, labTests } from './lab.ts'

const test = suite('kernel lab')
const script = join(ROOT, 'scripts/kernel-lab.sh')

const labTest = labTests(test)

labTest('output, exit code and files come back', async () => {
  const out = labFolder()
  writeFileSync(join(out, 'in'), 'from outside')
  const ran = await inLab('cat $LAB_OUT/in; echo oops >&2; echo made >$LAB_OUT/made; exit 7', {
    out
  })
  assert.equal(ran, { code: 7, stdout: 'from outside', stderr: 'oops\n' })
  assert.is(readFileSync(join(out, 'made'), 'utf8'), 'made\n')
})

labTest('the kernel is another one, with ZFS, and the files of this machine', async () => {
  const ran = await inLab('uname -r; cat /sys/module/zfs/version; pwd; ls -d package.json; id -u')
  const [release = '', version = '', ...rest] = ran.stdout.trim().split('\n')
  assert.match(release, /-lab$/)
  assert.match(version, /^2\.3\.2/)
  assert.equal(rest, [ROOT, 'package.json', '0'])
})

labTest('what it writes elsewhere is gone', async () => {
  assert.is((await inLab('echo x >/etc/only-in-the-lab && cat /etc/only-in-the-lab')).stdout, 'x\n')
  assert.is((await inLab('cat /etc/only-in-the-lab')).code, 1)
})

labTest('a command that takes too long', async () => {
  const ran = await inLab('echo begun; sleep 100', { timeoutSeconds: 6 })
  assert.is(ran.code, 124)
  assert.is(ran.stdout, 'begun\n')
  assert.match(ran.stderr, /longer than 6 s/)
})

labTest('SIGTERM ends the kernel', async () => {
  const child = startLab('echo up; sleep 100')
  await new Promise(resolve => child.stdout?.once('data', resolve))
  child.kill('SIGTERM')
  const code = await new Promise(resolve => child.once('close', resolve))
  assert.is(code, 143)
})

test('command lines that make no sense', () => {
  for (const args of [[], ['--'], ['--what', '--', 'true']]) {
    const ran = spawnSync(script, args)
    assert.is(ran.status, 125)
    assert.match(String(ran.stderr), /usage: kernel-lab.sh/)
  }
})

test('a machine without the kernel says so', () => {
  const env = { ...process.env, XDG_CACHE_HOME: labFolder() }
  const ran = spawnSync(join(ROOT, 'scripts/kernel-lab-build.sh'), ['--cached'], { env })
  assert.is(ran.status, 1)
  assert.match(String(ran.stderr), /not built yet; run scripts\/kernel-lab-build.sh/)
})

test.run()
