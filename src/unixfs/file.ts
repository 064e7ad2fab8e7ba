import type { PBLink } from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import { fixedChunks } from './chunker.ts'
import { putNode, type Built, type PutBlock } from './node.ts'
import { cidOfRaw, type Profile } from './profile.ts'

/** Kubo's `DefaultLinksPerBlock`: how many 47-byte links fit an 8 KiB node. */
const linksPerNode = 174

/**
 * Writes a file in Kubo's balanced layout: all leaves at the same depth, every node full but those
 * on the right edge. Yields how many bytes it has read, and returns the root.
 */
export async function* writeFile(
  content: AsyncIterable<Uint8Array>,
  profile: Profile,
  put: PutBlock
): AsyncGenerator<number, Built> {
  // levels[0] holds the leaves that have no parent yet, levels[1] their parents, and so on
  const levels: Built[][] = [[]]
  let read = 0
  for await (const chunk of fixedChunks(content, profile.chunkBytes)) {
    await append(levels, 0, await putLeaf(chunk, profile, put), profile, put)
    read += chunk.byteLength
    yield read
  }
  if (read === 0) return putLeaf(new Uint8Array(0), profile, put)
  for (let depth = 0; ; depth++) {
    const level = levels[depth] ?? []
    if (depth === levels.length - 1 && level.length === 1) return level[0] as Built
    await append(levels, depth + 1, await putParent(level, profile, put), profile, put)
  }
}

async function append(
  levels: Built[][],
  depth: number,
  node: Built,
  profile: Profile,
  put: PutBlock
): Promise<void> {
  const level = (levels[depth] ??= [])
  if (level.length === linksPerNode) {
    await append(levels, depth + 1, await putParent(level, profile, put), profile, put)
    levels[depth] = [node]
  } else {
    level.push(node)
  }
}

async function putLeaf(chunk: Uint8Array, profile: Profile, put: PutBlock): Promise<Built> {
  const fileBytes = chunk.byteLength
  if (profile.rawLeaves) {
    const cid = cidOfRaw(profile, chunk)
    await put(cid, chunk)
    return { cid, cumulativeBytes: fileBytes, fileBytes }
  }
  const data = new UnixFS({ type: 'file', ...(fileBytes === 0 ? {} : { data: chunk }) })
  return { ...(await putNode(profile, put, data.marshal(), [])), fileBytes }
}

async function putParent(children: Built[], profile: Profile, put: PutBlock): Promise<Built> {
  const data = new UnixFS({
    type: 'file',
    blockSizes: children.map(child => BigInt(child.fileBytes))
  })
  const links = children.map((child): PBLink => ({
    Name: '',
    Hash: child.cid,
    Tsize: child.cumulativeBytes
  }))
  let fileBytes = 0
  for (const child of children) fileBytes += child.fileBytes
  return { ...(await putNode(profile, put, data.marshal(), links)), fileBytes }
}

export async function putSymlink(target: string, profile: Profile, put: PutBlock): Promise<Built> {
  const data = new UnixFS({ type: 'symlink', data: new TextEncoder().encode(target) })
  return { ...(await putNode(profile, put, data.marshal(), [])), fileBytes: 0 }
}
