import type { CID } from 'multiformats/cid'
import type { Node } from '../../node/node.ts'
import type { GetBlock } from '../../unixfs/blocks.ts'
import { coverDag } from '../../unixfs/walk.ts'

export interface PinProgress {
  blocks: number
  bytes: number
}

/** Makes sure that the whole DAG is here, fetching what is not, and pins it. */
export async function pinRecursively(
  cid: CID,
  name: string,
  node: Node,
  get: GetBlock,
  signal: AbortSignal,
  progress?: PinProgress
): Promise<void> {
  for await (const { bytes } of coverDag(cid, get)) {
    if (progress == null) continue
    progress.blocks++
    progress.bytes += bytes.byteLength
  }
  await node.pins.set({ cid, mode: 'recursive', name }, { signal })
}
