import type { Node } from '../../node/node.ts'
import { value, type Command } from './command.ts'
import { ClientError } from './errors.ts'
import { bool } from './options.ts'
import { capacity } from './repo.ts'

interface Config {
  [name: string]: unknown
}

/** What clients ask a node's configuration for: who it is, where things are, how much it holds. */
async function shownConfig(node: Node, signal: AbortSignal): Promise<Config> {
  const { peerId } = await node.identity()
  const { StorageMax } = capacity(await node.repo.stat({ signal }))
  return {
    Identity: { PeerID: peerId.toString() },
    Addresses: { Swarm: node.network?.libp2p.getMultiaddrs().map(String) ?? [] },
    Datastore: { Path: node.repo.path, StorageMax: `${StorageMax}B`, Spec: { type: 'ipfs-zfs' } }
  }
}

export const configShow: Command = {
  name: 'config/show',
  run: async ({ signal }, node) => value(await shownConfig(node, signal))
}

/** One value of it, by a path such as `Datastore.StorageMax`. */
export const config: Command = {
  name: 'config',
  args: { name: 'key', required: true },
  options: [bool('bool'), bool('json'), bool('expand-auto')],
  run: async ({ args, signal }, node) => {
    const [key = '', given] = args
    if (['identity', 'identity.privkey'].includes(key.toLowerCase())) {
      throw new Error('cannot show or change private key through API')
    }
    if (given != null) {
      throw new ClientError(
        'this node is configured by its command line, see: ipfs-zfs daemon --help'
      )
    }
    return value({ Key: key, Value: at(await shownConfig(node, signal), key) })
  }
}

function at(config: Config, key: string): unknown {
  let found: unknown = config
  const parts = key.split('.')
  for (const [i, part] of parts.entries()) {
    const before = parts.slice(0, i).join('.')
    if (!isObject(found)) throw missing(`${before} key is not a map`)
    if (!Object.hasOwn(found, part))
      throw missing(`${[...parts.slice(0, i), part].join('.')} not found`)
    found = found[part]
  }
  return found
}

/** In Kubo's words, quotes and all. */
function missing(why: string): Error {
  return new Error(`failed to get config value: ${JSON.stringify(why)}`)
}

function isObject(found: unknown): found is Config {
  return typeof found === 'object' && found != null && !Array.isArray(found)
}
