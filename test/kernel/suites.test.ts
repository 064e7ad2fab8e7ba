/**
 * The tests of stores and repos once more, on the kernel engine: each file runs in the lab, and
 * what it says of its tests is printed here, where the runner counts it.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { inLab, labFolder, nodeCommand, whyNoLab } from './lab.ts'

/** Those that make their own repos. Left out: what is about the embedded engine's own I/O. */
const FILES = [
  'test/stores/conformance.test.ts',
  'test/repo/snapshots.test.ts',
  'test/repo/crash.test.ts',
  'test/repo/damage.test.ts',
  'test/repo/full.test.ts',
  'test/pins/full.test.ts'
]

const without = whyNoLab()

for (const file of FILES) {
  if (without != null) {
    console.log(`skipped: ${file} on the kernel engine: ${without}`)
    test.skip(file, () => {})
    continue
  }
  test(`${file} on the kernel engine`, async () => {
    const ran = await inLab(`ROUNDS=2 ${nodeCommand(file)}`, { out: labFolder() })
    console.log(ran.stdout)
    assert.is(ran.code, 0, `${file}: exit code ${ran.code}\n${ran.stdout}\n${ran.stderr}`)
  })
}

test.run()
