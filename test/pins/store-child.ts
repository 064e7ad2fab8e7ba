/** Stores blocks through a node's pins, one by one and together, until it is killed. */
import { randomBytes } from 'node:crypto'
import * as raw from 'multiformats/codecs/raw'
import { openRepo } from '../../src/index.ts'
import { Pins } from '../../src/pins/pins.ts'
import { collect } from '../rejection.ts'
import { blockOf } from './dag-model.ts'

const [path = ''] = process.argv.slice(2)
// acknowledged at once: what is on disk is what the last transaction group has
const repo = await openRepo({ path, durability: 'flush' })
const { catalog, pinBlocks, datastore: records } = repo
const pins = new Pins({ catalog, blocks: pinBlocks, records })
const blocks = repo.blocksWithin(async (multihashes, put) => pins.storing(multihashes, put))
process.stdout.write('ready\n')
for (;;) {
  const some = Array.from({ length: 100 }, () => blockOf(raw.code, randomBytes(200)))
  await Promise.all(some.slice(0, 20).map(async ({ cid, bytes }) => blocks.put(cid, bytes)))
  await collect(blocks.putMany(some.slice(20)))
  await repo.flush()
}
