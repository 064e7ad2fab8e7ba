import { InvalidParametersError, NotFoundError } from '../../errors.ts'
import type { Node } from '../../node/node.ts'
import type { Properties } from '../../native.ts'
import { value, values, type Command, type RpcRequest } from './command.ts'
import { capitalised } from './names.ts'
import { text } from './options.ts'

/** The pool's state, devices and scrub, as zpool-status(8) shows them. */
export const zfsStatus: Command = {
  name: 'zfs/status',
  run: async ({ signal }, { repo }) =>
    value({ Root: repo.zfs.root, Pool: capitalised(await repo.zfs.status({ signal })) })
}

export const datasetList: Command = {
  name: 'zfs/dataset/list',
  run: (request, node) => values(listed(request, node))
}

async function* listed({ signal }: RpcRequest, { repo }: Node): AsyncGenerator<unknown> {
  for (const dataset of await repo.zfs.list({ signal })) yield capitalised(dataset)
}

/** Names of properties are ZFS's own, so they stay as they are. */
export const propertyGet: Command = {
  name: 'zfs/property/get',
  args: { name: 'property', required: false },
  options: [text('dataset')],
  run: async ({ args, options, signal }, { repo }) => {
    const dataset = options.text('dataset') ?? repo.zfs.root
    const all = await repo.zfs.getProperties(dataset, { signal })
    if (args.length === 0) return value({ Dataset: dataset, Properties: all })
    const asked: Properties = {}
    for (const name of args) {
      const found = all[name]
      if (found == null) throw new NotFoundError(`${dataset} has no property ${name}`)
      asked[name] = found
    }
    return value({ Dataset: dataset, Properties: asked })
  }
}

export const propertySet: Command = {
  name: 'zfs/property/set',
  args: { name: 'property=value', required: true },
  options: [text('dataset')],
  run: async ({ args, options, signal }, { repo }) => {
    const dataset = options.text('dataset') ?? repo.zfs.root
    const properties = Object.fromEntries(args.map(assignment))
    await repo.zfs.setProperties(properties, dataset, { signal })
    return value({ Dataset: dataset, Properties: properties })
  }
}

function assignment(given: string): [string, string] {
  const at = given.indexOf('=')
  if (at > 0) return [given.slice(0, at), given.slice(at + 1)]
  throw new InvalidParametersError(`${JSON.stringify(given)} is not of the form property=value`)
}

export const scrubStart: Command = {
  name: 'zfs/scrub/start',
  run: async ({ signal }, { repo }) => {
    await repo.zfs.startScrub({ signal })
    return value(capitalised(await repo.zfs.scrubStatus({ signal })))
  }
}

export const scrubStop: Command = {
  name: 'zfs/scrub/stop',
  run: async ({ signal }, { repo }) => {
    await repo.zfs.stopScrub({ signal })
    return value(capitalised(await repo.zfs.scrubStatus({ signal })))
  }
}

export const scrubStatus: Command = {
  name: 'zfs/scrub/status',
  run: async ({ signal }, { repo }) => value(capitalised(await repo.zfs.scrubStatus({ signal })))
}
