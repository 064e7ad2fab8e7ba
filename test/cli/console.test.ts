/** What runs the guides leaves nothing running, however they end. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { rejection } from '../rejection.ts'
import { follow, type FollowOptions, type Step } from './console.ts'

/** As the guide of Cluster starts its daemons: children of a shell in the background. */
const inBackground: Step = {
  command: `later() { bash -c 'echo $$ > pid; sleep 1000; true'; true; }
later > log 2>&1 &
until [ -s pid ]; do sleep 0.1; done`,
  expected: []
}

/** Follows the steps, and tells whether the process of the background is still there. */
async function leftBy(steps: Step[], options: FollowOptions = {}): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'console-'))
  try {
    const followed = follow(steps, folder, options)
    const failed = steps.length > 1 ? await rejection(followed) : await followed
    assert.is(failed != null, steps.length > 1)
    const pid = Number(await readFile(join(folder, 'pid'), 'utf8'))
    assert.ok(pid > 1)
    try {
      return process.kill(pid, 0)
    } catch {
      return false
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

test('after all steps, after one that prints something else, after one without an end', async () => {
  assert.not(await leftBy([inBackground]))
  assert.not(await leftBy([inBackground, { command: 'echo a', expected: ['b'] }]))
  const endless = { command: 'until false; do sleep 0.1; done', expected: [] }
  assert.not(await leftBy([inBackground, endless], { limitMs: 2_000 }))
})

test.run()
