/** Failures after the first byte, as the clients that people use tell them. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { create } from 'kubo-rpc-client'
import { CID } from 'multiformats/cid'
import * as assert from 'uvu/assert'
import { buildProgram } from '../../src/kubo/build.ts'
import { KuboDaemon } from '../cluster/daemons.ts'
import { missing, run, type Output } from '../kubo/harness.ts'
import { collect, rejection } from '../rejection.ts'
import { suite } from '../suite.ts'
import { call, lines, send, serveNode, type Served } from './harness.ts'

interface Context extends Served {
  folder: string
  ipfs: string
  kubo: KuboDaemon
}

const test = suite<Context>('late errors')

const chunkBytes = 256 * 1024
const chunks = 24

/** A file of which the last block is not there; the same for all that add it. */
async function fileWithGap(rpc: number): Promise<{ cid: string; gap: string }> {
  const body = Buffer.alloc(chunkBytes * chunks)
  for (let i = 0; i < chunks; i++) body.writeUInt32LE(i + 1, i * chunkBytes)
  const [added] = lines<{ Hash: string }>(
    await call(rpc, 'add?cid-version=1&pin=false', [{ name: 'file', body }])
  )
  const cid = added?.Hash ?? ''
  const gap = lines<{ Ref: string }>(await call(rpc, `refs?arg=${cid}`)).at(-1)?.Ref ?? ''
  assert.is((await call(rpc, `block/rm?arg=${gap}`)).status, 200)
  return { cid, gap }
}

/** The `ipfs` command, which has no repo of its own here. */
async function ipfs({ ipfs, folder }: Context, rpc: number, ...args: string[]): Promise<Output> {
  const api = ['--api', `/ip4/127.0.0.1/tcp/${rpc}`]
  return run(ipfs, [...api, ...args], { IPFS_PATH: join(folder, 'no-repo') })
}

/** Pinning ends badly after Kubo's first line of progress, which comes after half a second. */
function failPins({ repo }: Served, why: string): () => void {
  const { pinBlocks } = repo
  const read = pinBlocks.read.bind(pinBlocks)
  pinBlocks.read = async () => {
    await sleep(900)
    throw new Error(why)
  }
  return () => (pinBlocks.read = read)
}

const why = missing()
if (why != null) {
  console.log(`skipped: ${why}`)
  test.skip('Kubo', () => {})
} else {
  test.before(async context => {
    Object.assign(context, await serveNode())
    context.folder = await mkdtemp(join(tmpdir(), 'late-errors-'))
    context.ipfs = await buildProgram('ipfs')
    context.kubo = await KuboDaemon.make(context.ipfs, context.folder)
    await context.kubo.start('--offline')
  })
  test.after(async ({ running, kubo, folder }) => {
    await running.stop()
    await kubo.stop()
    await rm(folder, { recursive: true, force: true })
  })

  test('the ipfs command fails as with Kubo, and says why', async context => {
    const { kubo, rpc } = context
    const { cid, gap } = await fileWithGap(rpc)
    assert.equal(await fileWithGap(kubo.rpc), { cid, gap })
    for (const args of [
      ['cat', cid],
      ['dag', 'export', '--progress=false', cid]
    ]) {
      const mine = await ipfs(context, rpc, ...args)
      const theirs = await ipfs(context, kubo.rpc, ...args)
      assert.is(mine.code, 1, args.join(' '))
      assert.is(mine.code, theirs.code)
      assert.ok(mine.stdout.length > chunkBytes, `${mine.stdout.length} bytes came before`)
      assert.match(mine.stderr, `could not find ${gap}`)
    }
  })

  test('the ipfs command fails when a pin does, after its progress', async context => {
    const { rpc } = context
    const { cid } = await fileWithGap(rpc)
    const mend = failPins(context, 'the disk is on fire')
    try {
      const { code, stderr, stdout } = await ipfs(context, rpc, 'pin', 'add', '--progress', cid)
      assert.is(code, 1)
      assert.is(stdout, '')
      assert.match(stderr, 'pin: the disk is on fire')
    } finally {
      mend()
    }
  })

  test('Cluster, which reads no trailers, sees a broken connection', async context => {
    const { rpc } = context
    const { cid } = await fileWithGap(rpc)
    const mend = failPins(context, 'the disk is on fire')
    try {
      const path = `/api/v0/pin/add?arg=${cid}&recursive=true&progress=true`
      const cut = await send(rpc, { path, headers: { 'user-agent': 'Go-http-client/1.1' } })
      assert.is(cut.status, 200)
      assert.is(cut.headers['trailer'], 'X-Stream-Error')
      assert.is(cut.body.toString(), '{}\n')
      assert.ok(cut.broken)
    } finally {
      mend()
    }
  })

  test('kubo-rpc-client throws', async ({ rpc }) => {
    const { cid } = await fileWithGap(rpc)
    const client = create({ url: `http://127.0.0.1:${rpc}/api/v0` })
    const root = CID.parse(cid)
    for (const answer of [client.cat(root), client.dag.export(root)]) {
      let bytes = 0
      const read = async () => {
        for await (const piece of answer) bytes += piece.byteLength
      }
      await rejection(read())
      assert.ok(bytes > 0 && bytes < chunkBytes * chunks)
    }
    assert.is((await collect(client.refs(root))).length, chunks)
  })
}

test.run()
