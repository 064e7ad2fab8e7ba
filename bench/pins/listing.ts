/**
 * `pin/ls` through the server: so many pins in place, listed by curl, which throws the lines away.
 * CPU time is that of the node alone. The pins are written straight into the catalog, since only
 * how they are listed is measured.
 *
 *   node bench/pins/listing.ts [pins, default 1000000] [times, default 3]
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { hash } from 'node:crypto'
import { startNode } from '../../src/node/node.ts'
import { keyBytes } from '../../src/pins/catalog.ts'
import { slotOf, withPin } from '../../src/pins/pin-value.ts'
import { leaf, withFreshRepo } from './fresh-repo.ts'

const pins = Number(process.argv[2] ?? 1_000_000)
const times = Number(process.argv[3] ?? 3)
const batch = 4096

async function curl(url: string): Promise<void> {
  const child = spawn('curl', ['-sSf', '-X', 'POST', '-o', '/dev/null', url], { stdio: 'inherit' })
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Error(`curl ended with ${code}`)
}

await withFreshRepo(async repo => {
  const slot = slotOf(leaf('').cid)
  const value = withPin(0, slot, { mode: 'recursive', named: false, foreign: false })
  for (let at = 0; at < pins; at += batch) {
    const count = Math.min(batch, pins - at)
    const keys = new Uint8Array(count * keyBytes)
    for (let i = 0; i < count; i++) {
      keys.set(hash('sha256', `pin ${at + i}`, 'buffer'), i * keyBytes)
    }
    await repo.catalog.apply([
      { family: 'pins', keys, values: new Float64Array(count).fill(value) }
    ])
  }
  const running = await startNode({ repo, rpc: { port: 0 } })
  try {
    const address = running.rpcAddress
    if (address == null || !('port' in address)) throw new Error('the node has no port')
    const url = `http://127.0.0.1:${address.port}/api/v0/pin/ls?type=recursive&stream=true`
    for (let i = 0; i < times; i++) {
      const cpu = process.cpuUsage()
      const began = performance.now()
      await curl(url)
      const seconds = (performance.now() - began) / 1000
      const { user, system } = process.cpuUsage(cpu)
      const { rss } = process.memoryUsage()
      console.log(
        `${pins} lines in ${seconds.toFixed(2)} s: ${Math.round(pins / seconds)}/s, ` +
          `${((user + system) / pins).toFixed(2)} µs of CPU each; ${(rss / 2 ** 20).toFixed(0)} MiB`
      )
    }
  } finally {
    await running.stop()
  }
})
