/**
 * The native tests once more, on the kernel engine: built with the addon's objects, and run in the
 * lab, one boot a program. What GoogleTest says of them is counted by the runner.
 *
 * test/native/run.sh runs them on the embedded engine. Only there:
 *
 * - `zfs_crash_test`: that a batch is one transaction. Here it is a prefix of its system calls, and
 *   crash.test.ts kills the whole kernel.
 * - of `zfs_files_test`, block pointers and files that are said not to compress, which the kernel
 *   does not offer, and zdb's view of the files, which is in interchange.test.ts.
 * - of `zfs_pool_test`, vdevs that this user may not write: in the lab it is root.
 * - of `zfs_damage_test`, disks that are lost: it cuts them off in the embedded engine's own I/O.
 * - of the store's, what test/native/on-engines.txt leaves out. What a crash or a call that failed
 *   leaves of a batch is tried on files in memory in the order of this engine's system calls too.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { inLab, labFolder, labTests, quote, ROOT } from './lab.ts'
import { toolsFolder } from './zdb.ts'

const test = suite('native tests on the kernel engine')
const labTest = labTests(test)

/** Programs, each with GoogleTest's filter: what runs here. */
const PROGRAMS: [string, string][] = [
  ['zfs_files_test', '*-*.RecordPointer*:*.CompressesBut*:*.ZdbSees*'],
  ['zfs_pool_test', '*-*.ReadOnlyFiles*'],
  ['zfs_damage_test', '*.AMirror*:*.ASingleDisk*:*.AScrub*'],
  ['zfs_threads_test', '*'],
  ['store_zfs_engine_test', '*'],
  ...storesPrograms()
]

function storesPrograms(): [string, string][] {
  const lines = readFileSync(join(ROOT, 'test/native/on-engines.txt'), 'utf8').split('\n')
  return lines
    .filter(line => /^\w/.test(line))
    .map(line => line.split(' '))
    .map(([program = '', filter = '']) => [program, filter])
}

/** Each new file waits for two transaction groups here, so random tests make fewer rounds. */
const ROUNDS = `SOAK=${process.env['SOAK'] ?? '0.1'} INDEX_OPS=${process.env['INDEX_OPS'] ?? '2e5'}`

function run(command: string, args: string[]): void {
  const ran = spawnSync(command, args, { cwd: ROOT, encoding: 'utf8' })
  assert.is(ran.status, 0, `${command} ${args.join(' ')}:\n${ran.stdout}\n${ran.stderr}`)
}

function environmentOf(program: string): string {
  // zdb takes a second and a half a pool, and the tests of pools make many.
  const zdb = program.startsWith('store_') ? `ZDB=${quote(join(toolsFolder(), 'zdb'))}` : ''
  return `TMPDIR=/run/lab/out IPFS_ZFS_ENGINE=kernel ${ROUNDS} ${zdb}`
}

/** As the native tests' own runner says it. */
function countOf(output: string): { passed: number; failed: number; skipped: number } {
  const lines = (pattern: RegExp): number => [...output.matchAll(pattern)].length
  return {
    passed: lines(/^\[ {7}OK \]/gm),
    failed: lines(/^\[ {2}FAILED {2}\] .* \(\d+ ms\)$/gm),
    skipped: lines(/^\[ {2}SKIPPED \] .* \(\d+ ms\)$/gm)
  }
}

const out = labFolder()

labTest('they are built', async () => {
  run('cmake', ['-S', 'native', '-B', 'native/build', '-DNATIVE_TESTS=ON'])
  const jobs = String(Math.min(2, availableParallelism()))
  const targets = PROGRAMS.map(([program]) => program)
  run('cmake', ['--build', 'native/build', '--parallel', jobs, '--target', ...targets])
})

for (const [program, filter] of PROGRAMS) {
  labTest(program, async () => {
    const options = `--gtest_color=no --gtest_filter=${quote(filter)}`
    const command = `${environmentOf(program)} native/build/tests/${program} ${options}`
    console.log(command)
    const ran = await inLab(command, { out })
    const { passed, failed, skipped } = countOf(ran.stdout)
    console.log(`${ran.stdout}\n${passed} passed, ${failed} failed`)
    assert.is(ran.code, 0, `${program}: exit code ${ran.code}\n${ran.stdout}\n${ran.stderr}`)
    assert.ok(passed > 0, 'the filter fits no test')
    assert.is(skipped, 0, 'a test was skipped')
  })
}

test.run()
