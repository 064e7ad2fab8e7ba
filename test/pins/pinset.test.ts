/** Pinsets: one root for one set of members, whatever the way to it; edits share what stays. */
import * as dagPb from '@ipld/dag-pb'
import { createHash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { buildPinset } from '../../src/pinset/build.ts'
import { decodeNode, encodeLeaf, memberOf, type PinsetBlock } from '../../src/pinset/format.ts'
import { cidLines } from '../../src/pinset/lines.ts'
import { diffPinsets, editPinset, listPinset } from '../../src/pinset/pinset.ts'
import { Random } from '../random.ts'
import { collect, rejection } from '../rejection.ts'

class Store {
  readonly all = new Map<string, Uint8Array>()
  reads = 0
  writes = 0

  async get(cid: CID): Promise<Uint8Array> {
    this.reads++
    return this.all.get(cid.toString()) as Uint8Array
  }

  async put({ cid, bytes }: PinsetBlock): Promise<void> {
    this.writes++
    this.all.set(cid.toString(), bytes)
  }
}

/** The member of a number: the raw CID of its decimal digits. */
export function member(number: number): CID {
  const digest = createHash('sha256').update(String(number)).digest()
  return CID.createV1(raw.code, Digest.create(0x12, digest))
}

const vectors: Array<[number, string]> = [
  [0, 'bafybeif4wsvihehlzfiul5n7cybntiifncdcy63gpoyfvjhsc5rzw6u6l4'],
  [1, 'bafybeibang5ziagk7lsqgushphikyqjel7i7f43y2ae4ipapv4eea33vjy'],
  [3, 'bafybeigiaaujiu74e5bffocvtdxsgei553pvym7ao6m65i6rkavh7yd6fi'],
  [4_096, 'bafybeiazxy5uzyqvdlr2d4bp636wcdkn62hubsoyok2j5dy25xjstjldyu'],
  [4_097, 'bafybeiggdvovsprvbqassvumgjmdn6ijaccwmlk6idtf7576rx3rhcajhm'],
  [20_000, 'bafybeiduyuijwktavg2wavgbwggupcxavg53k3ozme42dmdrxiklg46lvm']
]

const range = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => member(from + i))

test('vectors of docs/pinset.md', async () => {
  for (const [count, root] of vectors) {
    const built = await buildPinset(range(0, count), new Store())
    assert.equal([count, String(built.root)], [count, root])
  }
})

test('a leaf has the bytes that the codec gives, whatever CIDs its members have', () => {
  const random = new Random('pinset leaf')
  for (let round = 0; round < 50; round++) {
    const members = Array.from({ length: random.int(200) }, () => {
      // inline, from nothing to more than two bytes of length say
      const digest = Digest.create(0, random.bytes(random.int(4) === 0 ? random.int(300) : 34))
      return memberOf(CID.createV1(random.int(2) === 0 ? raw.code : 0x0129, digest))
    })
    const Links = members.map(({ bytes }) => ({ Name: '', Hash: CID.decode(bytes), Tsize: 0 }))
    const wanted = dagPb.encode({ Data: Buffer.from(`pinset/1 ${members.length}`), Links })
    const { cid, bytes } = encodeLeaf(members)
    assert.is(Buffer.compare(bytes, wanted), 0)
    assert.is(Buffer.compare(cid.multihash.digest, createHash('sha256').update(bytes).digest()), 0)
  }
})

test('order and repetition make no difference; all members come back', async () => {
  const random = new Random('pinset order')
  for (const count of [0, 1, 4096, 4097, 9000]) {
    const cids = range(0, count)
    const store = new Store()
    const one = await buildPinset(cids, store)
    const shuffled = [...cids, ...cids.slice(0, 50)].sort(() => random.int(3) - 1)
    const two = await buildPinset(shuffled, new Store())
    assert.ok(one.root.equals(two.root))
    assert.is(two.members, count)
    const listed = (await collect(listPinset(one.root, store))).map(String).sort()
    assert.equal(listed, cids.map(String).sort())
  }
})

test('edits give the root that building gives, and read a small part', async () => {
  const store = new Store()
  const { root } = await buildPinset(range(0, 12_000), store)
  store.reads = 0
  store.writes = 0
  const edited = await editPinset(root, { add: range(12_000, 12_003) }, store)
  assert.ok(edited.root.equals((await buildPinset(range(0, 12_003), new Store())).root))
  assert.ok(store.writes <= 12, `${store.writes} blocks written`)
  const back = await editPinset(edited.root, { remove: range(12_000, 12_003) }, store)
  assert.ok(back.root.equals(root))
  // down over the limit and up again: splits come and go
  const few = await editPinset(root, { remove: range(4000, 12_000) }, store)
  assert.ok(few.root.equals((await buildPinset(range(0, 4000), new Store())).root))
  const many = await editPinset(few.root, { add: range(4000, 12_000) }, store)
  assert.ok(many.root.equals(root))
  const same = await editPinset(root, { add: [member(5)], remove: [member(99_999)] }, store)
  assert.ok(same.root.equals(root))
})

test('differences, between any sizes', async () => {
  const store = new Store()
  const sizes = [0, 10, 4000, 5000, 12_000]
  const roots = await Promise.all(
    sizes.map(async size => (await buildPinset(range(0, size), store)).root)
  )
  for (let i = 0; i < sizes.length; i++) {
    for (let j = 0; j < sizes.length; j++) {
      const found = await collect(diffPinsets(roots[i] as CID, roots[j] as CID, store))
      const [a, b] = [sizes[i] as number, sizes[j] as number]
      assert.is(found.length, Math.abs(a - b))
      assert.ok(found.every(({ change }) => change === (b > a ? 'added' : 'removed')))
    }
  }
})

test('lists: comments, empty lines, and which line is wrong', async () => {
  async function* bytes(text: string): AsyncGenerator<Uint8Array> {
    yield Buffer.from(text)
  }
  const text = `# members\n\n${String(member(1))}  # the first\r\n${String(member(2))}`
  const cids = await collect(cidLines(bytes(text)))
  assert.equal(cids.map(String), [member(1), member(2)].map(String))
  const error = await rejection(collect(cidLines(bytes(`${String(member(1))}\nQmNo\n`))))
  assert.match((error as Error).message, /^line 2: "QmNo" is no CID \(/)
})

test('lists: lines end in three ways, wherever the chunks end', async () => {
  const cids = [1, 2, 3, 4].map(member)
  const [a, b, c, d] = cids.map(String)
  const text = Buffer.from(`${a}\r\n\r\n${b}\r${c}\n${d}\r`)
  for (let size = 1; size < 130; size += 3) {
    async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
    }
    assert.equal((await collect(cidLines(pieces(text)))).map(String), cids.map(String))
    const wrong = await rejection(
      collect(cidLines(pieces(Buffer.concat([text, Buffer.from('x')]))))
    )
    assert.match((wrong as Error).message, /^line 6: "x"/)
  }
})

test('what is no pinset is refused', async () => {
  const store = new Store()
  const { root } = await buildPinset(range(0, 3), store)
  const bytes = (await store.get(root)).slice()
  const wrong = bytes.indexOf(0x33, bytes.length - 3)
  bytes[wrong] = 0x34
  assert.throws(() => decodeNode({ cid: root, bytes }), /its count is wrong/)
  assert.throws(() => decodeNode({ cid: member(1), bytes }), /it is not dag-pb/)
})

test.run()
