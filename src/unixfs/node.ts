import * as dagPb from '@ipld/dag-pb'
import type { PBLink } from '@ipld/dag-pb'
import type { CID } from 'multiformats/cid'
import { cidOfNode, type Profile } from './profile.ts'

/** Takes a finished block; may answer before it is stored, as long as its `flush` waits. */
export type PutBlock = (cid: CID, bytes: Uint8Array) => Promise<void> | void

/** What a parent has to know of a node that is already written. */
export interface Built {
  cid: CID
  /** Of the node's block and all below it: the `Tsize` of a link to it, and Kubo's `Size`. */
  cumulativeBytes: number
  /** Of the file's content below this node. */
  fileBytes: number
}

/** Encodes and hands over one dag-pb node. Links must be in the order they are to have. */
export async function putNode(
  profile: Profile,
  put: PutBlock,
  data: Uint8Array,
  links: PBLink[]
): Promise<Omit<Built, 'fileBytes'>> {
  const bytes = dagPb.encode({ Data: data, Links: links })
  const cid = cidOfNode(profile, bytes)
  await put(cid, bytes)
  let cumulativeBytes = bytes.byteLength
  for (const link of links) cumulativeBytes += link.Tsize ?? 0
  return { cid, cumulativeBytes }
}
