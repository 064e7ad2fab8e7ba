/**
 * What a Helia application does with a repo: @helia/unixfs adds the unpacked OpenZFS source tree
 * and gives it back byte for byte; then two nodes exchange it over bitswap.
 */
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { unixfs } from '@helia/unixfs'
import { createHeliaLight } from 'helia'
import type { CID } from 'multiformats/cid'
import * as assert from 'uvu/assert'
import { call, lines, serveNode } from '../http/harness.ts'
import { suite } from '../suite.ts'
import { tempFolder, tempRepo, type TempRepo } from '../temp-repo.ts'
import { filesBelow, sourceTree } from './source-tree.ts'

interface Context {
  temp: TempRepo
  tree: string
  files: string[]
  root: CID
  removeTree: () => Promise<void>
}

const test = suite<Context>('Helia and a tree of thousands of files')

test.before(async context => {
  const { folder, remove } = await tempFolder()
  context.removeTree = remove
  context.tree = sourceTree(folder)
  context.files = await filesBelow(context.tree)
  context.temp = await tempRepo({ durability: 'flush' })
})
test.after(async ({ temp, removeTree }) => {
  await temp.remove()
  await removeTree()
})

/** Opened one after the other: all at once would be more files than a process may have. */
function* contents(tree: string, files: string[]) {
  for (const path of files) yield { path, content: createReadStream(join(tree, path)) }
}

test('@helia/unixfs adds the tree, and gives it back byte for byte', async context => {
  const { temp, tree, files } = context
  assert.ok(files.length > 3000, `${files.length} files are not thousands`)
  const { blockstore, datastore } = temp.repo
  const helia = createHeliaLight({ blockstore, datastore })
  const fs = unixfs(helia)
  const added = fs.addAll(contents(tree, files), { wrapWithDirectory: true })
  for await (const entry of added) context.root = entry.cid

  for (const path of files) {
    const chunks: Uint8Array[] = []
    for await (const chunk of fs.cat(context.root, { path })) chunks.push(chunk)
    const expected = await readFile(join(tree, path))
    assert.is(Buffer.compare(Buffer.concat(chunks), expected), 0, path)
  }
  assert.ok((await temp.repo.verify()).ok)
})

test('another node fetches the tree over bitswap', async ({ temp, root }) => {
  const other = await tempRepo({ durability: 'flush' })
  const giver = await serveNode({ repo: temp.repo, libp2p: {} })
  const peers = giver.running.node.network?.addresses() ?? []
  const taker = await serveNode({ repo: other.repo, libp2p: { peers } })
  const pinned = lines<{ Pins?: string[] }>(await call(taker.rpc, `pin/add?arg=${root.toString()}`))
  assert.equal(pinned.at(-1)?.Pins, [root.toString()])
  await taker.running.stop()
  await giver.running.stop()

  const report = await other.repo.verify()
  assert.ok(report.ok)
  assert.is(report.blocks, (await temp.repo.stat()).blocks)
  await other.remove()
})

test.run()
