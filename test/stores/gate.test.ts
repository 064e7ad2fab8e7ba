import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CallBatcher } from '../../src/stores/call-batcher.ts'
import { Gate } from '../../src/stores/gate.ts'
import { SyncGroup } from '../../src/stores/sync-group.ts'
import { rejection } from '../rejection.ts'

const gates = suite('gate')

gates('close waits for who is inside and lets nobody in', async () => {
  const gate = new Gate('it', 'subject')
  const events: string[] = []
  const inside = gate.run(async () => {
    await sleep(10)
    events.push('left')
  })
  const closing = gate.close().then(subject => events.push(`closed ${subject}`))
  assert.is((await rejection(gate.run(async () => {}))).code, 'ERR_CLOSED')
  await Promise.all([inside, closing])
  assert.equal(events, ['left', 'closed subject'])
  assert.is(await gate.close(), undefined)
})

gates('replace waits, keeps others waiting, and changes the generation', async () => {
  const gate = new Gate('it', 1)
  const before = gate.generation
  const inside = gate.run(async subject => sleep(10, subject))
  const replacing = gate.replace(async subject => sleep(10, subject + 1))
  const after = gate.run(async subject => subject)
  assert.equal(await Promise.all([inside, replacing, after]), [1, undefined, 2])
  assert.is(gate.generation, before + 1)
})

gates('two may close it at once', async () => {
  const gate = new Gate('it', 1)
  void gate.run(async () => sleep(5))
  const closed = await Promise.all([gate.close(), gate.close()])
  assert.equal(closed.filter(Boolean), [1])
})

gates('a replacement that fails leaves it closed', async () => {
  const gate = new Gate('it', 1)
  const failed = await rejection(
    gate.replace(async () => {
      throw new Error('broke')
    })
  )
  assert.is(failed.message, 'broke')
  assert.is((await rejection(gate.run(async () => {}))).code, 'ERR_CLOSED')
})

gates.run()

const batches = suite('call batcher')
const limits = { maxCalls: 4, maxBytes: 100, maxInFlight: 1 }

batches('groups the calls of a turn, within its limits', async () => {
  const sizes: number[] = []
  const batcher = new CallBatcher<number, number>(limits, async inputs => {
    sizes.push(inputs.length)
    return inputs.map(input => input + 1)
  })
  const calls = Array.from({ length: 10 }, (_, i) => batcher.call(i, 1))
  assert.equal(
    await Promise.all(calls),
    Array.from({ length: 10 }, (_, i) => i + 1)
  )
  assert.equal(sizes, [4, 4, 2])
  sizes.length = 0
  await Promise.all([60, 60, 200, 10].map(async bytes => batcher.call(bytes, bytes)))
  assert.equal(sizes, [1, 1, 1, 1])
})

batches('a failed batch rejects its calls only', async () => {
  const batcher = new CallBatcher<number, number>(limits, async inputs => {
    if (inputs.includes(1)) {
      throw new Error('broke')
    }
    return inputs
  })
  const calls = await Promise.allSettled([0, 1, 2, 3, 4].map(async i => batcher.call(i, 1)))
  assert.equal(
    calls.map(({ status }) => status),
    ['rejected', 'rejected', 'rejected', 'rejected', 'fulfilled']
  )
})

batches('a call that is aborted in the queue is not made', async () => {
  const made: number[] = []
  const batcher = new CallBatcher<number, number>(limits, async inputs => {
    made.push(...inputs)
    return inputs
  })
  const controller = new AbortController()
  const aborted = rejection(batcher.call(1, 1, controller.signal))
  const kept = batcher.call(2, 1)
  controller.abort()
  assert.is((await aborted).name, 'AbortError')
  await kept
  assert.equal(made, [2])
})

batches.run()

const syncs = suite('sync group')

syncs('who comes during a sync waits for the next one', async () => {
  let begun = 0
  const group = new SyncGroup(async () => {
    begun++
    await sleep(5)
  })
  const first = Promise.all([group.wait(), group.wait()])
  await sleep(1)
  assert.is(begun, 1)
  await Promise.all([group.wait(), group.wait(), first])
  assert.is(begun, 2)
})

syncs('a failure reaches those who waited for it', async () => {
  let fails = true
  const group = new SyncGroup(async () => {
    await sleep(1)
    if (fails) {
      throw new Error('broke')
    }
  })
  assert.is((await rejection(group.wait())).message, 'broke')
  fails = false
  await group.wait()
})

syncs.run()
