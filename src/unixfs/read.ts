import type { Block, GetBlock } from './blocks.ts'
import { BadUnixfsError, readEntity, type Entity, type FilePart } from './entity.ts'
import { fetchAhead } from './fetch-ahead.ts'

export type FileEntity = Extract<Entity, { kind: 'file' }>

/** Bytes `from` (included) to `to` (excluded) of a file's content. */
export interface ByteRange {
  from: number
  to: number
}

export interface FileStep {
  block: Block
  /** What of the content is in this block itself and within the range. */
  content: Uint8Array
}

/** More levels than any file needs: 174^16 leaves. Someone made this to hurt. */
const depthMax = 64

/** The blocks of a file that a range needs, depth first, each with its own part of the content. */
export async function* fileSteps(
  file: FileEntity,
  get: GetBlock,
  range: ByteRange = { from: 0, to: file.size },
  depth = 0
): AsyncGenerator<FileStep> {
  if (depth > depthMax) throw new BadUnixfsError('file is nested too deep')
  const from = Math.max(range.from, 0)
  yield { block: file.block, content: file.data.subarray(from, Math.max(range.to, from)) }
  const needed = partsWithin(file, range)
  for await (const { item, block } of fetchAhead(needed, ({ part }) => part.link.Hash, get)) {
    const { part, start } = item
    const child = readEntity(block)
    if (child.kind !== 'file' || child.size !== part.size) {
      throw new BadUnixfsError(
        `${String(block.cid)} is not the part of a file that ${String(file.block.cid)} says`
      )
    }
    yield* fileSteps(child, get, { from: range.from - start, to: range.to - start }, depth + 1)
  }
}

function partsWithin(file: FileEntity, range: ByteRange) {
  const needed: Array<{ part: FilePart; start: number }> = []
  let start = file.data.byteLength
  for (const part of file.parts) {
    if (start < range.to && start + part.size > range.from) needed.push({ part, start })
    start += part.size
  }
  return needed
}

export async function* fileContent(
  file: FileEntity,
  get: GetBlock,
  range?: ByteRange
): AsyncGenerator<Uint8Array> {
  for await (const { content } of fileSteps(file, get, range)) {
    if (content.byteLength > 0) yield content
  }
}
