import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { follow, stepsOf } from '../cli/console.ts'
import { missing } from './peer.ts'

const guide = new URL('../../docs/cluster.md', import.meta.url)
const scripts = fileURLToPath(new URL('../../scripts', import.meta.url))

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise(resolve => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

/** The guide has ports such as 5101 to 5103: other first digits, of which the ports are free. */
async function freePrefix(taken: Set<number>): Promise<number> {
  for (let prefix = 1500 + Math.floor(Math.random() * 1000); ; prefix++) {
    const free = await Promise.all([1, 2, 3].map(last => isFree(prefix * 10 + last)))
    if (taken.has(prefix) || free.includes(false)) continue
    taken.add(prefix)
    return prefix
  }
}

const why = missing()
if (why != null) {
  console.log(`skipped: ${why}`)
  test.skip('docs/cluster.md', () => {})
} else {
  test('docs/cluster.md does what it says', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cluster-guide-'))
    try {
      let text = await readFile(guide, 'utf8')
      const taken = new Set<number>()
      for (const prefix of [510, 810, 920, 930, 940, 950]) {
        text = text.replaceAll(
          new RegExp(`\\b${prefix}(?=[$123])`, 'g'),
          `${await freePrefix(taken)}`
        )
      }
      const steps = stepsOf(text.replaceAll('scripts/cluster.sh', `${scripts}/cluster.sh`))
      assert.ok(steps.length > 15)
      await follow(steps, folder)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
}

test.run()
