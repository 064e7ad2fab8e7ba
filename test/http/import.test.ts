/** CAR in and out: versions 1 and 2, and archives that are not what they say. */
import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { call, lines, message, serveNode, type Served } from './harness.ts'

const test = suite<Served>('car')

test.before.each(async context => {
  Object.assign(context, await serveNode())
})
test.after.each(async ({ running }) => running.stop())

const body = Uint8Array.from(
  { length: 700_000 },
  (_, i) => (i * 7 + (i >> 8) * 13 + (i >> 16)) & 255
)

interface Exported {
  root: string
  car: Buffer
}

async function exported(rpc: number): Promise<Exported> {
  const files = [
    { name: 'd/a', body: 'a' },
    { name: 'd/big', body }
  ]
  const added = lines<{ Hash: string }>(await call(rpc, 'add?cid-version=1&pin=false', files))
  const root = added.at(-1)?.Hash ?? ''
  const answer = await call(rpc, `dag/export?arg=${root}`)
  assert.is(answer.headers['content-type'], 'application/vnd.ipld.car')
  return { root, car: answer.body }
}

async function emptyNode<T>(work: (served: Served) => Promise<T>): Promise<T> {
  const served = await serveNode()
  try {
    return await work(served)
  } finally {
    await served.running.stop()
  }
}

const file = (car: Uint8Array) => [{ name: 'x.car', body: car }]

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80)
  return Buffer.from([...bytes, value])
}

function carOf(roots: CID[], sections: Uint8Array[]): Buffer {
  const header = dagCbor.encode({ version: 1, roots })
  return Buffer.concat([
    varint(header.byteLength),
    header,
    ...sections.flatMap(section => [varint(section.byteLength), section])
  ])
}

function carV2(car: Uint8Array, padding = 7): Buffer {
  const header = Buffer.alloc(40)
  header.writeBigUInt64LE(BigInt(51 + padding), 16)
  header.writeBigUInt64LE(BigInt(car.byteLength), 24)
  const pragma = Buffer.from('0aa16776657273696f6e02', 'hex')
  return Buffer.concat([pragma, header, Buffer.alloc(padding, 1), car, Buffer.from('an index')])
}

for (const [name, wrap] of [
  ['version 1', (car: Buffer) => car],
  ['version 2', carV2]
] as const) {
  test(`${name}: everything comes back, roots are pinned`, async ({ rpc }) => {
    const { root, car } = await exported(rpc)
    await emptyNode(async other => {
      const imported = await call(other.rpc, 'dag/import?stats=true', file(wrap(car)))
      const [pinned, stats] = lines(imported)
      assert.equal(pinned, { Root: { Cid: { '/': root }, PinErrorMsg: '' } })
      assert.is((stats?.['Stats'] as { BlockCount: number }).BlockCount, 6)
      assert.equal((await call(other.rpc, `cat?arg=${root}/big`)).body, Buffer.from(body))
      assert.equal((await call(other.rpc, `dag/export?arg=${root}`)).body, car)
      assert.is((await call(other.rpc, `pin/ls?arg=${root}`)).status, 200)
    })
  })
}

test('a truncated archive: an error, no pin, what came before it stays', async ({ rpc }) => {
  const { root, car } = await exported(rpc)
  await emptyNode(async other => {
    const cut = car.subarray(0, car.byteLength - 10)
    const why = await message(other.rpc, 'dag/import', file(cut))
    assert.match(why, /^500 import failed after block "\w+": unexpected EOF$/)
    assert.is(await message(other.rpc, `pin/ls?arg=${root}`), `500 path '${root}' is not pinned`)
    assert.is((await call(other.rpc, `block/get?arg=${root}`)).status, 200)
  })
})

test('bytes that are not those of their CID: an error that names both', async ({ rpc }) => {
  const { root, car } = await exported(rpc)
  await emptyNode(async other => {
    const lie = Buffer.from(car)
    lie[lie.byteLength - 1] = (lie.at(-1) ?? 0) ^ 1
    const why = await message(other.rpc, 'dag/import', file(lie))
    assert.match(why, /^500 import failed after block "\w+": .* do not match it/)
    assert.match(await message(other.rpc, `pin/ls?arg=${root}`), /is not pinned$/)
  })
})

test('archives that are none, or state absurd lengths', async ({ rpc }) => {
  const cid = CID.parse('bafkqablimvwgy3y')
  const bad: Array<[string, Uint8Array, RegExp]> = [
    ['empty', Buffer.alloc(0), /unexpected EOF/],
    ['text', Buffer.from('this is no archive'), /unexpected EOF|invalid header/],
    ['version 3', Buffer.from(carHeader({ version: 3, roots: [] })), /invalid car version: 3/],
    ['no roots', Buffer.from(carHeader({ version: 1 })), /no version and roots/],
    ['huge header', Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f]), /invalid header length/],
    [
      'huge section',
      Buffer.concat([carOf([cid], []), varint(2 ** 40)]),
      /a section of 1099511627776 bytes is over the largest/
    ],
    ['empty section', Buffer.concat([carOf([cid], []), Buffer.from([0, 0])]), /is empty/],
    ['no cid', carOf([cid], [Buffer.from([9, 9, 9])]), /invalid cid/],
    ['offset', Buffer.from(carV2(carOf([cid], [])).fill(0, 27, 35)), /invalid data offset/]
  ]
  for (const [name, car, expected] of bad) {
    assert.match(await message(rpc, 'dag/import', file(car)), expected, name)
  }
})

function carHeader(header: object): Buffer {
  const bytes = dagCbor.encode(header)
  return Buffer.concat([varint(bytes.byteLength), bytes])
}

test('a root that is not there: imported, with the reason why it is not pinned', async ({
  rpc
}) => {
  const missing = CID.parse('bafkreiaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')
  const [line] = lines(await call(rpc, 'dag/import', file(carOf([missing], []))))
  assert.equal(line, {
    Root: {
      Cid: { '/': missing.toString() },
      PinErrorMsg: `block was not found locally (offline): ipld: could not find ${String(missing)}`
    }
  })
})

test('an unknown hash function is stored and given back', async ({ rpc }) => {
  // murmur3-x64-64 of 20 bytes: nobody here can check it
  const cid = CID.decode(Uint8Array.from([1, 0x55, 0xa2, 0x40, 20, ...new Uint8Array(20).fill(7)]))
  const section = Buffer.concat([cid.bytes, Buffer.from('whatever')])
  const answer = await call(rpc, 'dag/import?pin-roots=false', file(carOf([], [section])))
  assert.is(answer.status, 200)
  assert.is((await call(rpc, `block/get?arg=${String(cid)}`)).body.toString(), 'whatever')
})

test('several archives in one request, without pinning', async ({ rpc }) => {
  const { root, car } = await exported(rpc)
  await emptyNode(async other => {
    const two = [...file(car), ...file(car)]
    const answer = await call(other.rpc, 'dag/import?pin-roots=false&stats=true', two)
    const [stats] = lines(answer)
    assert.is((stats?.['Stats'] as { BlockCount: number }).BlockCount, 12)
    assert.match(await message(other.rpc, `pin/ls?arg=${root}`), /is not pinned$/)
  })
})

test.run()
