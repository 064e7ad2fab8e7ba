import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { follow, stepsOf } from '../cli/console.ts'
import { freePorts } from '../free-ports.ts'
import { missing } from './peer.ts'

const guide = new URL('../../docs/cluster.md', import.meta.url)
const scripts = fileURLToPath(new URL('../../scripts', import.meta.url))

/** The guide has ports such as 5101 to 5103: other first digits, of which the ports are free. */
async function freePrefix(): Promise<number> {
  // Of 13 in a row, 4 begin with one that ends in 0.
  const [first = 0] = await freePorts(13)
  return Math.ceil(first / 10)
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
      for (const prefix of [510, 810, 920, 930, 940, 950]) {
        text = text.replaceAll(new RegExp(`\\b${prefix}(?=[$123])`, 'g'), `${await freePrefix()}`)
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
