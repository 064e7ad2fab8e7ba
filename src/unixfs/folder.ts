import type { PBLink } from '@ipld/dag-pb'
import { prepare } from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import { writeShardedFolder, type NamedLink } from './hamt.ts'
import { putNode, type Built, type PutBlock } from './node.ts'
import type { Profile } from './profile.ts'

/**
 * Kubo turns a folder into shards when its names and CIDs together are longer than this. They are
 * counted rather than the block measured: that is what decides its CIDs.
 */
const plainFolderBytes = 256 * 1024
const folderData = new UnixFS({ type: 'directory' }).marshal()

export async function writeFolder(
  entries: NamedLink[],
  profile: Profile,
  put: PutBlock
): Promise<Built> {
  let bytes = 0
  for (const { name, built } of entries) bytes += Buffer.byteLength(name) + built.cid.byteLength
  if (bytes > plainFolderBytes) return writeShardedFolder(entries, profile, put)
  const links = entries.map(({ name, built }): PBLink => ({
    Name: name,
    Hash: built.cid,
    Tsize: built.cumulativeBytes
  }))
  // prepare() puts the links into dag-pb's order, by the bytes of their names
  const { Links } = prepare({ Data: folderData, Links: links })
  return { ...(await putNode(profile, put, folderData, Links)), fileBytes: 0 }
}
