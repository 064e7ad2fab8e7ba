import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { freePorts } from '../free-ports.ts'
import { follow, stepsOf, type Step } from './console.ts'

const tour = new URL('../../docs/tour.md', import.meta.url)

/** The daemon's terminal is another one: here it goes to the background, until it is ready. */
function inBackground({ command, expected }: Step): Step {
  if (!command.startsWith('ipfs-zfs daemon')) return { command, expected }
  const wait = 'for try in $(seq 1800); do grep -q ^ready daemon.log && break; sleep 0.1; done'
  return { command: `${command} > daemon.log 2>&1 &\n${wait}; cat daemon.log`, expected }
}

test('docs/tour.md does what it says', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tour-'))
  try {
    const [rpc, gateway] = await freePorts(2)
    const text = (await readFile(tour, 'utf8'))
      .replace(/^(\$ ipfs-zfs daemon)/m, '$1 --rpc 127.0.0.1:5001 --gateway 127.0.0.1:8080')
      .replaceAll('127.0.0.1:5001', `127.0.0.1:${rpc}`)
      .replaceAll('127.0.0.1:8080', `127.0.0.1:${gateway}`)
    const steps = stepsOf(text)
    assert.ok(steps.length > 20)
    const env = { IPFS_ZFS_PATH: join(folder, 'repo') }
    const daemonEnds = { command: 'wait', expected: [] }
    await follow([...steps.map(inBackground), daemonEnds], folder, { env })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test.run()
