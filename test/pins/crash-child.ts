/** Pins, unpins and collects at random until it is killed, and prints what was acknowledged. */
import { openRepo } from '../../src/index.ts'
import { Pins } from '../../src/pins/pins.ts'
import { Random } from '../random.ts'
import { randomBlocks } from './dag-model.ts'

const [path = '', seed = '0', dagSeed = '0'] = process.argv.slice(2)
// one DAG for all rounds, other operations each time
const dag = randomBlocks(400, new Random('dag', Number(dagSeed)))
const random = new Random('operations', Number(seed))
// acknowledged at once, blocks may be on disk without any that came later, or not at all
const durability = random.int(2) === 0 ? 'txg' : 'flush'
const repo = await openRepo({ path, durability })
const pins = new Pins({ catalog: repo.catalog, blocks: repo.pinBlocks, records: repo.datastore })
const blocks = repo.blocksWithin(async (multihashes, put) => pins.storing(multihashes, put))
const say = (...words: unknown[]) => process.stdout.write(`${words.join(' ')}\n`)
say('ready')

async function one(): Promise<void> {
  const { cid } = random.pick(dag)
  switch (random.int(8)) {
    case 0:
    case 1:
    case 2: {
      // everything that may be needed, so that pinning can succeed
      await pins.lock.shared(async () => {
        for (const block of dag) await blocks.put(block.cid, block.bytes)
        say('pinning', cid)
        await pins.add(cid, { holdsLock: true })
        say('pinned', cid)
      })
      return
    }
    case 3:
    case 4:
    case 5:
    case 6: {
      say('unpinning', cid)
      const is = await pins.rm(cid).then(
        () => true,
        () => false
      )
      say(is ? 'unpinned' : 'was-not', cid)
      return
    }
    default: {
      let deleted = 0
      const gc = pins.gc()
      while ((await gc.next()).done !== true) deleted++
      say('collected', deleted)
    }
  }
}

for (;;) await one()
