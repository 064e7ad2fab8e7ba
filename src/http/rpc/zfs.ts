import type { Node } from '../../node/node.ts'
import type { RepoSnapshot, VerifyProgress, VerifyReport } from '../../repo/types.ts'
import { firstArg, value, values, type Command, type RpcRequest } from './command.ts'
import { capitalised } from './names.ts'
import { bool } from './options.ts'
import { withProgress } from './progress.ts'

function snapshotLine(snapshot: RepoSnapshot): object {
  return {
    Name: snapshot.name,
    Created: snapshot.created.toISOString(),
    UsedBytes: snapshot.usedBytes,
    ReferencedBytes: snapshot.referencedBytes
  }
}

export const snapshotCreate: Command = {
  name: 'zfs/snapshot/create',
  args: { name: 'name', required: false },
  run: async ({ args, signal }, node) =>
    value(snapshotLine(await node.repo.snapshots.create(args[0], { signal })))
}

export const snapshotList: Command = {
  name: 'zfs/snapshot/list',
  run: ({ signal }, node) => values(listed(node, signal))
}

async function* listed(node: Node, signal: AbortSignal): AsyncGenerator<object> {
  for (const snapshot of await node.repo.snapshots.list({ signal })) yield snapshotLine(snapshot)
}

export const snapshotRollback: Command = {
  name: 'zfs/snapshot/rollback',
  args: { name: 'name', required: true },
  run: async (request, node) => {
    const { signal } = request
    const name = firstArg(request)
    // nothing is half added when everything goes back
    await node.gcLock.alone(() => node.repo.snapshots.rollback(name, { signal }))
    return value({ Name: name })
  }
}

export const snapshotDestroy: Command = {
  name: 'zfs/snapshot/destroy',
  args: { name: 'name', required: true },
  run: async (request, node) => {
    const name = firstArg(request)
    await node.repo.snapshots.destroy(name, { signal: request.signal })
    return value({ Name: name })
  }
}

export const zfsRepoStat: Command = {
  name: 'zfs/repo/stat',
  run: async ({ signal }, node) => value(capitalised(await node.repo.stat({ signal })))
}

export const zfsRepoVerify: Command = {
  name: 'zfs/repo/verify',
  options: [bool('scrub')],
  run: (request, node) => values(verified(request, node))
}

/** Progress lines, then one with the report, whatever it says: reading it is the caller's. */
async function* verified({ options, signal }: RpcRequest, node: Node): AsyncGenerator<object> {
  const verifying = withProgress<VerifyProgress, VerifyReport>(report =>
    node.repo.verify({ signal, scrub: options.bool('scrub', true), onProgress: report })
  )
  for (;;) {
    const step = await verifying.next()
    if (step.done !== true) {
      yield { Progress: capitalised(step.value) }
      continue
    }
    const { bad, ...rest } = step.value
    const named = bad.map(({ cid, ...fault }) => ({ cid: cid.toString(), ...fault }))
    yield { Report: capitalised({ ...rest, bad: named }) }
    return
  }
}

export const zfsRepoCompact: Command = {
  name: 'zfs/repo/compact',
  run: async ({ signal }, node) => value({ FreedBytes: await node.repo.compact({ signal }) })
}
