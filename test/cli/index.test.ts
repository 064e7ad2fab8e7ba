import { createHash, randomBytes } from 'node:crypto'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Bench, withDaemon } from './harness.ts'

interface Stat {
  family: string
  shard: number
  keys: number
  runs: number
  tableKeys: number
  memoryBytes: number
  changes: number
  logWrittenBytes: number
}

const test = suite('index')

async function statsOf(bench: Bench): Promise<Stat[]> {
  const text = await bench.ok(['--json', 'index', 'stat'])
  return text
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Stat)
}

async function linesOf(bench: Bench, args: string[]): Promise<string[]> {
  return (await bench.ok(args)).trim().split('\n')
}

async function putSome(bench: Bench): Promise<string[]> {
  const keys: string[] = []
  for (const bytes of [100, 70_000, 262_144].map(size => randomBytes(size))) {
    await bench.ok(['block', 'put', '-'], { input: bytes })
    keys.push(createHash('sha256').update(bytes).digest('hex'))
  }
  return keys.sort()
}

async function goThrough(bench: Bench): Promise<void> {
  const keys = await putSome(bench)
  const stats = await statsOf(bench)
  assert.equal(
    stats.map(({ family, shard }) => `${family} ${shard}`),
    ['blocks 0', 'blocks 1', 'blocks 2', 'blocks 3']
  )
  assert.is(
    stats.reduce((sum, one) => sum + one.keys, 0),
    3
  )
  assert.ok(stats.every(one => one.memoryBytes > 0))
  const dumped = await linesOf(bench, ['index', 'dump'])
  assert.equal(
    dumped.map(line => line.split(' ')[0]),
    keys
  )
  assert.is(dumped.filter(line => /^[0-9a-f]{64} pack \d+ at \d+, 100 bytes$/.test(line)).length, 1)
  assert.is(dumped.filter(line => / 64k\.slots \d+, 70000 bytes$/.test(line)).length, 1)
  assert.is(dumped.filter(line => / 256k\.slots \d+, 262144 bytes$/.test(line)).length, 1)
  assert.match(await bench.ok(['index', 'check']), /^checked 3 keys/)
  assert.match(await bench.ok(['index', 'compact']), /runs? left/)
  const after = await statsOf(bench)
  assert.ok(after.every(one => one.runs === (one.keys > 0 ? 1 : 0)))
  assert.is(
    after.reduce((sum, one) => sum + one.tableKeys, 0),
    0
  )
  assert.match(await bench.ok(['index', 'stat']), /keys {2,}\d[\s\S]*stalls/)
  assert.equal(await linesOf(bench, ['index', 'dump']), dumped)
}

test('with a daemon', () => withDaemon(goThrough))

test('alone', async () => {
  await using bench = await Bench.make()
  await goThrough(bench)
})

test.run()
