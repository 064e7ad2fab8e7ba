/** Garbage that is collected because the pool fills up. Minutes pass when the test says so. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Writable } from 'node:stream'
import { mock } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { BlocksOwnedError } from '../../src/errors.ts'
import { Namespaces } from '../../src/http/datastore/namespaces.ts'
import type { NodeOptions } from '../../src/node/node.ts'
import { spaceOf } from '../../src/repo/space.ts'
import type { Repo } from '../../src/repo/types.ts'
import { call, json, serveNode } from '../http/harness.ts'
import { memoryRepo } from '../http/memory-repo.ts'
import { rejection } from '../rejection.ts'
import { MIB, tempRepo } from '../temp-repo.ts'

const test = suite('gc by pressure')

const minuteMs = 60_000
const bytesOfOne = 4 * MIB

test.before.each(() => mock.timers.enable({ apis: ['setInterval', 'Date'], now: Date.now() }))
test.after.each(() => mock.timers.reset())

interface Logged {
  msg: string
  blocks?: number
  error?: string
}

/** A logger, and what it was told. */
function keepingLog(): { log: NonNullable<NodeOptions['log']>; logged: Logged[] } {
  const logged: Logged[] = []
  const stream = new Writable({
    write: (line: Buffer, _encoding, done) => {
      logged.push(JSON.parse(line.toString()) as Logged)
      done()
    }
  })
  return { log: pino({}, stream), logged }
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await isSo()); tries++) {
    assert.ok(tries < 3_000, 'it does not come')
    await sleep(10)
  }
}

async function addFile(rpc: number, pin: boolean): Promise<string> {
  const file = { name: 'f', body: randomBytes(bytesOfOne) }
  const { Hash } = await json<{ Hash: string }>(rpc, `add?cid-version=1&pin=${pin}`, [file])
  return Hash
}

const isHere = async (rpc: number, cid: string) =>
  (await call(rpc, `block/stat?arg=${cid}`)).status === 200

async function usedPercent(repo: Repo): Promise<number> {
  const { usedBytes, totalBytes } = spaceOf(await repo.stat())
  return (100 * usedBytes) / totalBytes
}

test('below nothing goes, above what is old enough; what is pinned never', async () => {
  const temp = await tempRepo({ pool: { sizeBytes: 128 * MIB } })
  const { log, logged } = keepingLog()
  const gc = { abovePercent: 40, minAgeSeconds: 10 * 60 }
  const { rpc, running } = await serveNode({ repo: temp.repo, log, gc })
  try {
    const pinned = await addFile(rpc, true)
    const unpinned = await addFile(rpc, true)
    const garbage = [await addFile(rpc, false)]
    assert.ok((await usedPercent(temp.repo)) < 40)
    await call(rpc, `pin/rm?arg=${unpinned}`)
    const stats = mock.method(temp.repo, 'stat')
    mock.timers.tick(minuteMs)
    await until(() => stats.mock.callCount() === 1)
    await stats.mock.calls[0]?.result
    await sleep(50)
    assert.ok((await isHere(rpc, unpinned)) && (await isHere(rpc, garbage[0] ?? '')))
    assert.equal(logged, [])

    while ((await usedPercent(temp.repo)) <= 40) garbage.push(await addFile(rpc, false))
    // what was pinned is known to be needed no more, the rest may be somebody's upload
    mock.timers.tick(minuteMs)
    await until(() => logged.length === 1)
    assert.is(logged[0]?.msg, 'garbage collected')
    assert.not(await isHere(rpc, unpinned))
    for (const cid of [pinned, ...garbage]) assert.ok(await isHere(rpc, cid))

    while ((await usedPercent(temp.repo)) <= 40) garbage.push(await addFile(rpc, false))
    for (let minute = 0; minute < 2; minute++) {
      mock.timers.tick(minuteMs)
      await until(() => logged.length === 2)
      await sleep(50)
    }
    assert.is(logged[1]?.msg, 'no garbage to collect')

    mock.timers.tick(10 * minuteMs)
    await until(() => logged.length === 3)
    assert.is(logged[2]?.msg, 'garbage collected')
    assert.is(logged[2]?.blocks, garbage.length * 17)
    for (const cid of garbage) assert.not(await isHere(rpc, cid))
    assert.ok(await isHere(rpc, pinned))
    assert.ok((await usedPercent(temp.repo)) < 40)
  } finally {
    await running.stop()
    await temp.remove()
  }
})

test('a failure is logged, and the next minute tries again', async () => {
  const repo = memoryRepo()
  const { log, logged } = keepingLog()
  const { rpc, running } = await serveNode({ repo, log, gc: { abovePercent: 0, minAgeSeconds: 0 } })
  const cid = await addFile(rpc, false)
  const failing = mock.method(repo, 'stat', async () => {
    throw new Error('the disk is on fire')
  })
  mock.timers.tick(minuteMs)
  await until(() => logged.length === 1)
  assert.is(logged[0]?.error, 'Error: the disk is on fire')
  failing.mock.restore()
  mock.timers.tick(minuteMs)
  await until(async () => !(await isHere(rpc, cid)))
  await running.stop()
})

test('a node that stops ends a collection, and starts none', async () => {
  const repo = memoryRepo()
  const { log, logged } = keepingLog()
  const { running } = await serveNode({ repo, log, gc: { abovePercent: 0 } })
  let asked = 0
  let isUnderWay = false
  repo.stat = async options => {
    asked++
    isUnderWay = true
    const { signal } = options ?? {}
    if (signal != null) await once(signal, 'abort')
    isUnderWay = false
    throw signal?.reason
  }
  mock.timers.tick(3 * minuteMs)
  assert.ok(isUnderWay)
  await running.stop()
  assert.not(isUnderWay)
  mock.timers.tick(3 * minuteMs)
  assert.is(asked, 1)
  assert.equal(logged, [])
})

test('refused where the blocks are those of a Kubo, unless that one fetches for us', async () => {
  const repo = memoryRepo()
  await (await Namespaces.load(repo.datastore)).open('kubo-1', 'blocks')
  const refused = await rejection(serveNode({ repo, gc: { abovePercent: 90 } }))
  assert.instance(refused, BlocksOwnedError)
  assert.match(refused.message, /the Kubo of namespace kubo-1/)
  const kubo = { host: '127.0.0.1', port: 1 }
  const { running } = await serveNode({ repo, kubo, gc: { abovePercent: 90 } })
  await running.stop()
})

test.run()
