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
import { multihashText, PinModel, randomBlocks } from './dag-model.ts'
import { catalogFaults } from './invariants.ts'

const rounds = Number(process.env['PIN_CRASH_ROUNDS'] ?? 4)
const child = fileURLToPath(new URL('./crash-child.ts', import.meta.url))

/** Its lines, up to the moment that it was killed. */
async function runAndKill(args: string[], afterMs: number): Promise<string[]> {
  const running = spawn(process.execPath, [child, ...args], {
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
      const lines = await runAndKill(args, 200 + random.int(1500))
      let open: string | undefined
      for (const line of lines) {
        const [word = '', cid = ''] = line.split(' ')
        open = word === 'pinning' || word === 'unpinning' ? cid : undefined
        if (word === 'pinned') pinned.add(cid)
        if (word === 'unpinned' || word === 'was-not') pinned.delete(cid)
      }
      const repo = await openRepo({ path: temp.folder })
      try {
        const { catalog, pinBlocks: blocks, datastore: records } = repo
        const pins = new Pins({ catalog, blocks, records })
        const listed = new Set((await collect(pins.ls())).map(({ cid }) => cid.toString()))
        const both = new Set([...listed, ...pinned])
        const differ = [...both].filter(cid => listed.has(cid) !== pinned.has(cid))
        // only the operation that was under way may have happened or not
        assert.ok(
          differ.every(cid => cid === open),
          `round ${round}: ${differ.join()} / ${open}`
        )
        if (open != null) {
          if (listed.has(open)) pinned.add(open)
          else pinned.delete(open)
        }
        await pins.noteAll()
        await collect(pins.gc())
        const faults = await catalogFaults(catalog, blocks)
        assert.equal(faults, [], faults.join('\n'))
        const model = new PinModel()
        for (const block of dag) model.put(block)
        for (const { cid } of dag) {
          const mode = 'recursive' as const
          if (pinned.has(cid.toString())) model.pins.set(cid.toString(), { cid, mode, name: '' })
        }
        const here = (await collect(repo.blockstore.getAll())).map(({ cid }) => multihashText(cid))
        assert.equal(here.sort(), [...model.live()].sort())
        assert.equal((await repo.verify({ scrub: false })).ok, true)
      } finally {
        await repo.close()
      }
    }
  } finally {
    temp.repo = await openRepo({ path: temp.folder })
    await temp.remove()
  }
})

test.run()
