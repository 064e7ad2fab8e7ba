import type { Node } from '../../node/node.ts'
import { value, values, type Command } from './command.ts'
import { capitalised } from './names.ts'

export const indexStat: Command = {
  name: 'zfs/index/stat',
  run: ({ signal }, node) => values(stats(node, signal))
}

async function* stats(node: Node, signal: AbortSignal): AsyncGenerator<unknown> {
  for (const one of await node.repo.index.stat({ signal })) yield capitalised(one)
}

/** The faults, whatever they say: reading them is the caller's. */
export const indexCheck: Command = {
  name: 'zfs/index/check',
  run: async ({ signal }, node) => {
    const faults = await node.repo.index.check({ signal })
    const keys = (await node.repo.index.stat({ signal })).reduce((sum, one) => sum + one.keys, 0)
    return value({ Keys: keys, Faults: faults })
  }
}

export const indexDump: Command = {
  name: 'zfs/index/dump',
  run: ({ signal }, node) => values(records(node, signal))
}

async function* records(node: Node, signal: AbortSignal): AsyncGenerator<unknown> {
  for await (const { key, place } of node.repo.index.dump({ signal })) {
    yield { Key: key, Place: place }
  }
}

export const indexCompact: Command = {
  name: 'zfs/index/compact',
  run: async ({ signal }, node) => {
    await node.repo.index.compact({ signal })
    const stats = await node.repo.index.stat({ signal })
    return value({ Runs: stats.reduce((sum, one) => sum + one.runs, 0) })
  }
}
