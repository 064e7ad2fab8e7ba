/** zdb, the judge of what stands in a pool that nobody has open. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { ROOT } from './lab.ts'

let prefix: string | undefined

/** Where OpenZFS's own tools are: zdb, zfs, zpool. */
export function toolsFolder(): string {
  prefix ??= String(spawnSync(join(ROOT, 'scripts/openzfs.sh'), ['assert']).stdout).trim()
  return join(prefix, 'sbin')
}

/** Reads every block of a pool whose files are in `folder`, and looks for leaks. */
export function expectCleanPool(folder: string, pool: string): void {
  const ran = spawnSync(join(toolsFolder(), 'zdb'), ['-e', '-p', folder, '-bcc', pool])
  const said = `${String(ran.stdout)}\n${String(ran.stderr)}`
  assert.is(ran.status, 0, said)
  assert.match(said, /No leaks \(block sum matches space maps exactly\)/)
}
