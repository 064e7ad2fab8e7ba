/** A run whose first step fails must not look like one that went well. */
import { spawnSync } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const suiteFile = JSON.stringify(new URL('./suite.ts', import.meta.url).href)

function ranWith(hook: string) {
  const script = `
    import { suite } from ${suiteFile}
    const test = suite('of two')
    test.before(${hook})
    test('one', () => {})
    test('two', () => {})
    test.run()`
  const args = ['--input-type=module', '--eval', script]
  return spawnSync(process.execPath, args, { encoding: 'utf8', cwd: import.meta.dirname })
}

test('a before hook that fails fails the run, and says why', () => {
  const { status, stderr } = ranWith("async () => { throw new Error('the disk is not there') }")
  assert.is(status, 1)
  assert.match(stderr, /of two: no test was run.*the disk is not there/)
  assert.is(ranWith('async () => {}').status, 0)
})

test.run()
