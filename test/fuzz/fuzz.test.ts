/** The fuzz targets with a few thousand inputs each; test/fuzz/run.sh runs them for longer. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const clang = spawnSync('clang++', ['--version']).status === 0
if (!clang)
  console.log('skipped: libFuzzer needs clang++ (apt-get install clang libclang-rt-14-dev)')
function fuzz(): void {
  const script = join(import.meta.dirname, 'run.sh')
  const { status, stdout, stderr } = spawnSync(script, {
    encoding: 'utf8',
    env: { ...process.env, RUNS: process.env['FUZZ_RUNS'] ?? '2000' }
  })
  assert.is(status, 0, stdout + stderr)
}

const name = 'damaged runs and logs give an error or the truth'
if (clang) test(name, fuzz)
else test.skip(name, fuzz)

test.run()
