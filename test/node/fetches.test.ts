/** One fetch for many who want a block, that asks again, and ends when nobody waits. */
import { CID } from 'multiformats/cid'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Fetches } from '../../src/node/fetches.ts'
import { rejection } from '../rejection.ts'

const test = suite('fetches')

const cid = CID.parse('bafkreiaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')
const block = new Uint8Array([1])

test('many who want the same share one fetch', async () => {
  let calls = 0
  let give: ((bytes: Uint8Array) => void) | undefined
  const fetches = new Fetches(async () => {
    calls++
    return new Promise(resolve => (give = resolve))
  })
  const all = [fetches.get(cid), fetches.get(cid), fetches.get(cid)]
  give?.(block)
  assert.equal(await Promise.all(all), [block, block, block])
  assert.is(calls, 1)
})

test('one who gives up does not end it for the others; the last does', async () => {
  let signal: AbortSignal | undefined
  let give: ((bytes: Uint8Array) => void) | undefined
  const fetches = new Fetches(async (_cid, options) => {
    signal = options.signal
    return new Promise(resolve => (give = resolve))
  })
  const impatient = new AbortController()
  const first = fetches.get(cid, { signal: impatient.signal })
  const second = fetches.get(cid)
  impatient.abort(new Error('enough'))
  assert.is((await rejection(first)).message, 'enough')
  assert.not(signal?.aborted)
  give?.(block)
  assert.equal(await second, block)
  const alone = new AbortController()
  const third = fetches.get(cid, { signal: alone.signal })
  alone.abort(new Error('enough'))
  await rejection(third)
  assert.ok(signal?.aborted)
})

test('a failure that is no time-out is told, and the next asks anew', async () => {
  let calls = 0
  const fetches = new Fetches(async () => {
    if (++calls === 1) throw new Error('no')
    return block
  })
  assert.is((await rejection(fetches.get(cid))).message, 'no')
  assert.equal(await fetches.get(cid), block)
})

test('asks again when no answer comes', async () => {
  let calls = 0
  const fetches = new Fetches(async (_cid, { signal }) => {
    if (++calls === 2) return block
    // the first answer was lost
    return new Promise((_resolve, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason as Error))
    })
  })
  // time limits alone do not keep a process alive
  const alive = setInterval(() => {}, 1000)
  assert.equal(await fetches.get(cid), block)
  clearInterval(alive)
  assert.is(calls, 2)
})

test.run()
