/**
 * What stays behind: the same members put, pinned, unpinned and collected again and again, with the
 * CPU time of each and the memory of the process after each round.
 *
 *   node --expose-gc bench/pins/rounds.ts [members, default 1000000] [rounds, default 8] [cache MiB]
 *
 * ZFS's cache grows up to its limit: with a small one it can be seen what else grows.
 */
import { buildPinset } from '../../src/pinset/build.ts'
import type { PinsetBlock } from '../../src/pinset/format.ts'
import { cidsTo, drain, membersTo, withFreshRepo } from './fresh-repo.ts'

const members = Number(process.argv[2] ?? 1_000_000)
const rounds = Number(process.argv[3] ?? 8)
const cacheMib = process.argv[4]

/** Microseconds of CPU and of the clock for each member. */
async function cost(what: string, work: () => Promise<unknown>): Promise<string> {
  const cpu = process.cpuUsage()
  const began = performance.now()
  await work()
  const clock = ((performance.now() - began) * 1000) / members
  const { user, system } = process.cpuUsage(cpu)
  return `${what} ${((user + system) / members).toFixed(2)} (${clock.toFixed(2)})`
}

const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(0)

await withFreshRepo(
  async ({ blockstore }, pins) => {
    const nodes: PinsetBlock[] = []
    const { root } = await buildPinset(cidsTo(members), {
      put: async block => void nodes.push(block)
    })
    console.log(`${members} members a round; µs of CPU a member (µs of the clock), MiB at its end`)
    for (let round = 1; round <= rounds; round++) {
      const times = [
        await cost('put', async () => {
          await drain(blockstore.putMany(membersTo(members)))
          await drain(blockstore.putMany(nodes))
        }),
        await cost('pin', async () => pins.add(root)),
        await cost('unpin', async () => pins.rm(root)),
        await cost('gc', async () => {
          const deleted = await drain(pins.gc())
          if (deleted !== members + nodes.length) throw new Error(`${deleted} deleted`)
        })
      ]
      globalThis.gc?.()
      const { rss, heapTotal, external, arrayBuffers } = process.memoryUsage()
      console.log(
        `${round}: ${times.join(', ')}; rss ${mib(rss)}, heap ${mib(heapTotal)}, ` +
          `external ${mib(external)}, of it buffers ${mib(arrayBuffers)}`
      )
    }
  },
  cacheMib == null ? {} : { arcMaxBytes: Number(cacheMib) * 2 ** 20 }
)
