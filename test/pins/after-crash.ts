/** What must hold of pins after a crash, given what crash-child.ts said before it. */
import * as assert from 'uvu/assert'
import type { Repo } from '../../src/index.ts'
import { Pins } from '../../src/pins/pins.ts'
import type { randomBlocks } from './dag-model.ts'
import { collect } from '../rejection.ts'
import { multihashText, PinModel } from './dag-model.ts'
import { catalogFaults } from './invariants.ts'

/** Brings `pinned` up to date by the child's lines; the operation under way, which it returns. */
function follow(lines: string[], pinned: Set<string>): string | undefined {
  let open: string | undefined
  for (const line of lines) {
    const [word = '', cid = ''] = line.split(' ')
    open = word === 'pinning' || word === 'unpinning' ? cid : undefined
    if (word === 'pinned') pinned.add(cid)
    if (word === 'unpinned' || word === 'was-not') pinned.delete(cid)
  }
  return open
}

/**
 * What was acknowledged is pinned, only the operation under way may have happened or not, every
 * count is right, and after a collection the blocks are those that pins cover. `pinned` is what was
 * pinned before the child began, and afterwards what is.
 */
export async function expectPinsHold(
  repo: Repo,
  dag: ReturnType<typeof randomBlocks>,
  pinned: Set<string>,
  lines: string[]
): Promise<void> {
  const open = follow(lines, pinned)
  const { catalog, pinBlocks: blocks, datastore: records } = repo
  const pins = new Pins({ catalog, blocks, records })
  const listed = new Set((await collect(pins.ls())).map(({ cid }) => cid.toString()))
  const both = new Set([...listed, ...pinned])
  const differ = [...both].filter(cid => listed.has(cid) !== pinned.has(cid))
  assert.ok(
    differ.every(cid => cid === open),
    `${differ.join()} / ${open}`
  )
  if (open != null) {
    if (listed.has(open)) pinned.add(open)
    else pinned.delete(open)
  }
  // each block was noted before it was stored, so the queue has all that no pin covers
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
}
