/** What goes wrong with the kernel's pools: clear errors, and nothing lost. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { inLab, labFolder, nodeCommand, labTests } from './lab.ts'
import { toolsFolder } from './zdb.ts'

const test = suite('kernel, bad input')
const labTest = labTests(test)

labTest('each has an error of its own', async () => {
  const inside = nodeCommand('test/kernel/inside/bad-input.ts', ['/run/lab/out'])
  const ran = await inLab(`export PATH=${toolsFolder()}:$PATH; ${inside}`, { out: labFolder() })
  console.log(ran.stdout)
  assert.is(ran.code, 0, ran.stdout + ran.stderr)
})

test('a machine whose kernel has no ZFS says so', async () => {
  const { native } = await import('../../src/native.ts')
  if (native.kernelHasPool('nothing')) return
  const error = await native
    .openPool({ name: 'nothing', vdevs: ['/nowhere'], engine: 'kernel' })
    .then(
      () => undefined,
      (reason: Error) => reason
    )
  assert.match(error?.message ?? '', /has no ZFS|\/dev\/zfs cannot be opened|does not exist/)
})

test.run()
