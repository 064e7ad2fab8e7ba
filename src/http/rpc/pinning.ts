import type { CID } from 'multiformats/cid'
import type { Node } from '../../node/node.ts'
import type { AddOptions } from '../../pins/types.ts'
import type { RpcRequest } from './command.ts'

/** For commands that have just stored the blocks and hold the lock against collection. */
export async function pinRecursively(
  cid: CID,
  node: Node,
  options: Pick<AddOptions, 'name' | 'signal' | 'fetcher'> = {}
): Promise<void> {
  await node.pins.add(cid, { ...options, holdsLock: true })
}

/** A command that may ask the network, unless its client says `offline`. */
export function pinOptions(
  { options, signal }: RpcRequest,
  { fetcher }: Node
): Pick<AddOptions, 'signal' | 'fetcher'> {
  return options.bool('offline') || fetcher == null ? { signal } : { signal, fetcher }
}
