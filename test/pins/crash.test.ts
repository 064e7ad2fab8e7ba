/**
 * SIGKILL in the middle of pinning, unpinning and collecting, on a real repo: what was acknowledged
 * holds, every count is right, and what pins cover is here. PIN_CRASH_ROUNDS: default 4.
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { openRepo } from '../../src/index.ts'
import { Pins } from '../../src/pins/pins.ts'
import { Random } from '../random.ts'
import { collect } from '../rejection.ts'
import { tempRepo } from '../temp-repo.ts'
import { expectPinsHold } from './after-crash.ts'
import { randomBlocks } from './dag-model.ts'

const rounds = Number(process.env['PIN_CRASH_ROUNDS'] ?? 4)

/** The lines of a program of this folder, up to the moment that it was killed. */
async function runAndKill(program: string, args: string[], afterMs: number): Promise<string[]> {
  const path = fileURLToPath(new URL(program, import.meta.url))
  const running = spawn(process.execPath, [path, ...args], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  let output = ''
  running.stdout.on('data', (chunk: Buffer) => {
    const isFirst = output === ''
    output += chunk.toString()
    if (isFirst) setTimeout(() => running.kill('SIGKILL'), afterMs)
  })
  await new Promise(resolve => running.once('close', resolve))
  const lines = output.split('\n')
  // the last one may be cut off
  return lines.slice(0, -1)
}

test('killed at any moment, nothing acknowledged is lost and no count is wrong', async () => {
  const random = new Random('pins killed')
  const dagSeed = random.int(2 ** 31)
  const dag = randomBlocks(400, new Random('dag', dagSeed))
  const temp = await tempRepo()
  const pinned = new Set<string>()
  try {
    await temp.repo.close()
    for (let round = 0; round < rounds; round++) {
      const args = [temp.folder, String(random.int(2 ** 31)), String(dagSeed)]
      const lines = await runAndKill('./crash-child.ts', args, 200 + random.int(1500))
      const repo = await openRepo({ path: temp.folder })
      try {
        await expectPinsHold(repo, dag, pinned, lines)
      } finally {
        await repo.close()
      }
    }
  } finally {
    temp.repo = await openRepo({ path: temp.folder })
    await temp.remove()
  }
})

test('killed while it stores, every block that is there is in the queue of gc', async () => {
  const random = new Random('store killed')
  const temp = await tempRepo()
  try {
    for (let round = 0; round < Math.max(2, rounds / 10); round++) {
      await temp.repo.close()
      await runAndKill('./store-child.ts', [temp.folder], 100 + random.int(400))
      const { catalog, pinBlocks, datastore: records } = await temp.reopen()
      const { keys } = await pinBlocks.scan(undefined, 65_536)
      assert.ok(keys.length > 0)
      const notes = await catalog.get('loose', keys)
      assert.is(notes.indexOf(0), -1, `of ${notes.length} blocks`)
      await collect(new Pins({ catalog, blocks: pinBlocks, records }).gc())
      assert.is((await temp.repo.stat()).blocks, 0)
    }
  } finally {
    await temp.remove()
  }
})

test.run()
