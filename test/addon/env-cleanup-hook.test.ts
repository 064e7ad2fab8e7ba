import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { native } from '../../src/native.ts'
import type { Place } from './scratch.ts'
import { equalBytes, makeBlocks, newPlace, openStore } from './scratch.ts'

const HANGS_MS = 60_000
const fixture = fileURLToPath(new URL('./fixtures/exit.ts', import.meta.url))

/** Ends a process in some way while it works, then looks at what it acknowledged. */
async function endsWell(how: string, place: Place = newPlace()): Promise<void> {
  const args = [fixture, how, JSON.stringify(place)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const timer = setTimeout(() => child.kill('SIGKILL'), HANGS_MS)
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const [exit, signal] = (await once(child, 'close')) as [number | null, string | null]
  clearTimeout(timer)
  assert.is(signal, null, `killed by ${signal}`)
  assert.is(exit, 0, output)
  const acknowledged = output.trim().split('\n')
  assert.is(acknowledged.shift(), 'acknowledged')

  const pool = await native.openPool({ name: place.name, vdevs: [place.vdev] })
  const store = await openStore(pool, place)
  const multihashes = acknowledged.map(text => Uint8Array.from(Buffer.from(text, 'hex')))
  assert.ok(multihashes.length > 0)
  const sizes = await store.sizes(multihashes)
  assert.ok(sizes.every(size => size === 3000))
  const { multihashes: more, blocks } = makeBlocks(3, 100)
  await store.put(more, blocks, 'txg')
  assert.ok(equalBytes((await store.get(more))[0], blocks[0] as Uint8Array))
  assert.equal(await store.check(), [])
  await store.close()
  await pool.close()
  rmSync(place.folder, { recursive: true })
}

test('process.exit() in the middle of work', () => endsWell('exit'))
test('process.exit() with everything idle and open', () => endsWell('exit-idle'))
test('the end of the event loop with everything open', () => endsWell('leave-open'))
test('an open pool and store keep no process alive', () => endsWell('idle'))
test('process.exit() while worker threads use the pool', () => endsWell('exit-with-threads'))

test.run()
