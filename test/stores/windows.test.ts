import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { inWindows, type WindowOptions } from '../../src/stores/windows.ts'
import { collect, rejection } from '../rejection.ts'

const test = suite('windows')

type Options = WindowOptions<number, number, number[]>

function options(more: Partial<Options> = {}): Options {
  return {
    maxItems: 10,
    maxBytes: 1000,
    maxWindows: 3,
    prepare: item => item,
    bytesOf: () => 1,
    run: async items => items.map(item => item * 2),
    ...more
  }
}

async function outputs(source: Iterable<number> | AsyncIterable<number>, more?: Partial<Options>) {
  const windows = await collect(inWindows(source, options(more)))
  return { sizes: windows.map(({ items }) => items.length), all: windows.flatMap(({ out }) => out) }
}

function* upTo(count: number): Generator<number> {
  for (let i = 0; i < count; i++) {
    yield i
  }
}

const doubled = (count: number): number[] => [...upTo(count)].map(i => i * 2)

test('cuts by items and gives all in order', async () => {
  assert.equal(await outputs(upTo(25)), { sizes: [10, 10, 5], all: doubled(25) })
})

test('cuts by bytes', async () => {
  const { sizes } = await outputs(upTo(6), { bytesOf: () => 400 })
  assert.equal(sizes, [3, 3])
})

test('keeps the order when later windows are done first', async () => {
  const slowFirst = async (items: number[]): Promise<number[]> => {
    await sleep(items[0] === 0 ? 30 : 1)
    return items.map(item => item * 2)
  }
  assert.equal((await outputs(upTo(40), { run: slowFirst })).all, doubled(40))
})

test('reads no further ahead than its windows', async () => {
  let read = 0
  const source = (function* () {
    for (;;) {
      yield read++
    }
  })()
  const windows = inWindows(source, options())
  await windows.next()
  await sleep(10)
  // Three in flight, one filled and waiting, and one taken.
  assert.ok(read <= 60, `read ${read}`)
  await windows.return(undefined)
})

test('sends what it has when the source pauses', async () => {
  let go = (): void => {}
  const source = (async function* () {
    yield 1
    yield 2
    await new Promise<void>(resolve => (go = resolve))
    yield 3
  })()
  const windows = inWindows(source, options())
  const first = await windows.next()
  assert.equal(first.value?.items, [1, 2])
  go()
  assert.equal((await windows.next()).value?.items, [3])
  assert.ok((await windows.next()).done)
})

test('gives an error of the source after what came before it', async () => {
  const source = (function* () {
    yield* upTo(12)
    throw new Error('source broke')
  })()
  const windows = inWindows(source, options())
  assert.equal((await windows.next()).value?.items.length, 10)
  const error = await rejection(windows.next())
  assert.is(error.message, 'source broke')
})

test('gives an error of a window in its place, and lets the source clean up', async () => {
  let cleaned = false
  const source = (function* () {
    try {
      yield* upTo(1000)
    } finally {
      cleaned = true
    }
  })()
  const run = async (items: number[]): Promise<number[]> => {
    if (items.includes(15)) {
      throw new Error('window broke')
    }
    return items
  }
  const windows = inWindows(source, options({ run }))
  await windows.next()
  assert.is((await rejection(windows.next())).message, 'window broke')
  assert.ok(cleaned)
})

test('an abort comes at once, though source and work hang', async () => {
  const controller = new AbortController()
  const source = (async function* () {
    yield 1
    await new Promise(() => {})
  })()
  const run = async (): Promise<number[]> => new Promise(() => {})
  const windows = inWindows(source, options({ run, signal: controller.signal }))
  const next = rejection(windows.next())
  await sleep(5)
  controller.abort()
  assert.is((await next).name, 'AbortError')
})

test('an aborted signal lets nothing be read', async () => {
  let read = 0
  const source = (function* () {
    yield read++
  })()
  const windows = inWindows(source, options({ signal: AbortSignal.abort() }))
  assert.is((await rejection(windows.next())).name, 'AbortError')
  assert.is(read, 0)
})

test('a consumer that leaves ends the source', async () => {
  let cleaned = false
  const source = (async function* () {
    try {
      yield* upTo(1000)
    } finally {
      cleaned = true
    }
  })()
  for await (const window of inWindows(source, options())) {
    assert.is(window.items.length, 10)
    break
  }
  assert.ok(cleaned)
})

test('an empty source gives nothing', async () => {
  assert.equal(await outputs([]), { sizes: [], all: [] })
})

test.run()
