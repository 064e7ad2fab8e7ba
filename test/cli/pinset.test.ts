/** Pinsets by the command, from lists of CIDs to a pin that covers them. */
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Bench } from './harness.ts'

const test = suite('pinset')

interface Made {
  cid: string
  members: number
  pinned: boolean
}

/** The members of docs/pinset.md: raw CIDs of decimal digits. */
function members(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => {
    const digest = createHash('sha256')
      .update(String(from + i))
      .digest()
    return CID.createV1(raw.code, Digest.create(0x12, digest)).toString()
  })
}

const listOf = (cids: string[]) => cids.map(cid => `${cid}\n`).join('')

const sorted = (cids: string[]) => cids.toSorted()

/** A daemon that waits for no peer. */
async function offline(work: (bench: Bench) => Promise<void>): Promise<void> {
  await using bench = await Bench.make()
  await bench.startDaemon(['--offline'])
  await work(bench)
}

/** Stores the blocks of members, which a pin needs. */
async function putMembers(bench: Bench, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) await bench.ok(['block', 'put', '-'], { input: String(i) })
}

test('create, add, remove, ls and diff, from files and standard input', () =>
  offline(async bench => {
    // the vectors of docs/pinset.md
    const three = 'bafybeigiaaujiu74e5bffocvtdxsgei553pvym7ao6m65i6rkavh7yd6fi'
    const large = 'bafybeiduyuijwktavg2wavgbwggupcxavg53k3ozme42dmdrxiklg46lvm'
    const file = bench.path('members')
    await writeFile(file, `# three\n${listOf(members(0, 3).toReversed())}\n`)
    assert.is(await bench.ok(['pinset', 'create', file]), `${three} (3 members)`)
    const input = listOf(members(0, 20_000))
    for (const args of [[], ['-']]) {
      const made = await bench.json<Made>(['pinset', 'create', ...args], { input })
      assert.equal(made, { cid: large, members: 20_000, pinned: false })
    }
    assert.equal(
      sorted((await bench.ok(['pinset', 'ls', large])).split('\n')),
      sorted(members(0, 20_000))
    )

    await writeFile(file, listOf(members(3, 20_000)))
    const added = await bench.json<Made>(['pinset', 'add', three, file])
    assert.equal(added, { cid: large, members: 20_000, pinned: false })
    const removed = await bench.json<Made>(['pinset', 'remove', large], {
      input: await readFile(file)
    })
    assert.equal(removed, { cid: three, members: 3, pinned: false })

    const diff = (await bench.ok(['pinset', 'diff', three, large])).split('\n')
    assert.equal(sorted(diff), sorted(members(3, 20_000).map(cid => `+ ${cid}`)))
    assert.is(await bench.ok(['pinset', 'diff', large, large]), '')
    const back = await bench.lines<{ change: string; cid: string }>([
      'pinset',
      'diff',
      `/ipfs/${large}`,
      three
    ])
    assert.is(back.length, 19_997)
    assert.ok(back.every(({ change }) => change === 'removed'))
  }))

test('a pinned one covers its members, and gives its place to the next', () =>
  offline(async bench => {
    await putMembers(bench, 0, 4)
    const input = listOf(members(0, 3))
    const first = await bench.json<Made>(['pinset', 'create', '--pin', '-n', 'of mine'], { input })
    assert.ok(first.pinned)
    const states = async (cids: string[]) =>
      (await bench.run(['pin', 'ls', ...cids])).stdout.trim().split('\n')
    const through = (cids: string[], root: string) =>
      cids.map(cid => `${cid} indirect through ${root}`)
    assert.equal(await states(members(0, 3)), through(members(0, 3), first.cid))
    assert.equal(await states(members(3, 4)), [''])
    const next = await bench.json<Made>(['pinset', 'add', first.cid, '--pin'], {
      input: listOf(members(3, 4))
    })
    const last = await bench.json<Made>(['pinset', 'remove', next.cid, '--pin'], {
      input: listOf(members(0, 1))
    })
    const listed = await bench.ok(['pin', 'ls', '--type', 'recursive', '--names'])
    assert.is(listed, `${last.cid} recursive of mine`)
    assert.equal(await states(members(0, 1)), [''])
    assert.equal(await states(members(1, 4)), through(members(1, 4), last.cid))
    await bench.ok(['repo', 'gc'])
    assert.is((await bench.run(['cat', members(0, 1)[0] ?? ''])).code, 1)
    assert.is(await bench.ok(['cat', members(1, 2)[0] ?? '']), '1')
  }))

test('what is no list and what is no pinset is refused, and leaves no pin', () =>
  offline(async bench => {
    const input = `${members(0, 1)[0]}\nnot a CID\n`
    const list = await bench.fails(['pinset', 'create', '--pin'], { input })
    assert.match(list.message, /^line 2: "not a CID" is no CID/)
    const file = await bench.ok(['add', '-Q', '--no-pin', '-'], { input: 'x'.repeat(300_000) })
    const none = await bench.fails(['pinset', 'ls', file])
    assert.match(none.message, /pinset/)
    // its members are nowhere: all or nothing
    const absent = await bench.fails(['pinset', 'create', '--pin'], {
      input: listOf(members(7, 9))
    })
    assert.match(absent.message, /could not find|not found/)
    assert.is(await bench.ok(['pin', 'ls']), '')
    assert.is((await bench.fails(['pinset', 'create', bench.path('none')])).code, 'ENOENT')
  }))

test.run()
