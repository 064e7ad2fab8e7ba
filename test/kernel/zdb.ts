/** zdb, the judge of what stands in a pool that nobody has open. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { labFolder, ROOT } from './lab.ts'

let prefix: string | undefined

/** Where OpenZFS's own tools are: zdb, zfs, zpool. */
export function toolsFolder(): string {
  prefix ??= String(spawnSync(join(ROOT, 'scripts/openzfs.sh'), ['assert']).stdout).trim()
  return join(prefix, 'sbin')
}

/**
 * zdb spends most of its time on emptying its cache when it has said all (five seconds, which ZFS
 * keeps what was prefetched), so that it looks at a copy while the test goes on.
 */
export class PoolChecks {
  readonly #running: Array<Promise<void>> = []

  /** Reads every block of a pool whose files are in `folder`, as they are now; looks for leaks. */
  begin(folder: string, pool: string): void {
    const copy = labFolder()
    const copied = spawnSync('cp', ['-r', `${folder}/.`, copy])
    assert.is(copied.status, 0, String(copied.stderr))
    const check = expectCleanPool(copy, pool).finally(() => {
      rmSync(copy, { recursive: true, force: true })
    })
    check.catch(() => {}) // until end() says so
    this.#running.push(check)
  }

  /** Fails with what was wrong with one of them. */
  async end(): Promise<void> {
    await Promise.all(this.#running)
  }
}

/** Of a pool that nobody opens before this is through. */
export async function expectCleanPool(folder: string, pool: string): Promise<void> {
  const zdb = join(toolsFolder(), 'zdb')
  const child = spawn('nice', ['-n', '19', zdb, '-e', '-p', folder, '-bcc', pool])
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => (said += String(chunk)))
  child.stderr.on('data', (chunk: Buffer) => (said += String(chunk)))
  const [code] = (await once(child, 'close')) as [number | null]
  assert.is(code, 0, said)
  assert.match(said, /No leaks \(block sum matches space maps exactly\)/)
}
