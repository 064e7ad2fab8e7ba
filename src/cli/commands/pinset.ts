import type { CID } from 'multiformats/cid'
import { multipart } from '../../client/multipart.ts'
import type { RpcClient } from '../../client/rpc.ts'
import type { Built } from '../../pinset/build.ts'
import type { PinsetBlocks } from '../../pinset/tree.ts'
import type { Context } from '../context.ts'
import { chunksOf } from '../files.ts'
import { inSession, type Group } from '../group.ts'
import { startProgress } from '../progress.ts'

interface CreateOptions {
  pin?: boolean
  name?: string
}

export function addPinset(group: Group): void {
  const pinset = group.program
    .command('pinset')
    .description('DAGs whose leaves link to any number of roots: one pin for all (docs/pinset.md)')
  pinset
    .command('create')
    .description('make the pinset of the CIDs in a file, one a line')
    .argument('[file]', 'default: standard input')
    .option('--pin', 'pin it, and so all its members')
    .option('-n, --name <name>', 'a name for the pin')
    .action((file: string | undefined, options: CreateOptions) =>
      inSession(group, async (context, { rpc }) => {
        const { buildPinset } = await import('../../pinset/build.ts')
        const progress = startProgress(context.out, { label: 'reading', unit: 'none' })
        const { signal } = context
        const built = await buildPinset(await membersIn(file, context), blocksOf(rpc, signal), {
          signal,
          onRead: read => progress.set(read)
        }).finally(() => progress.stop())
        await finish(context, rpc, built, options)
      })
    )
  for (const change of ['add', 'remove'] as const) {
    pinset
      .command(change)
      .description(`the pinset with the CIDs in a file ${change === 'add' ? 'added' : 'removed'}`)
      .argument('<root>', 'the root of a pinset')
      .argument('[file]', 'default: standard input')
      .option('--pin', 'pin the new one in place of the old one')
      .action((root: string, file: string | undefined, options: CreateOptions) =>
        inSession(group, async (context, { rpc }) => {
          const { editPinset } = await import('../../pinset/pinset.ts')
          const from = await rootOf(root)
          const cids: CID[] = []
          for await (const cid of await membersIn(file, context)) cids.push(cid)
          const blocks = blocksOf(rpc, context.signal)
          const built = await editPinset(from, { [change]: cids }, blocks)
          await finish(context, rpc, built, options, from)
        })
      )
  }
  pinset
    .command('ls')
    .description('list the members')
    .argument('<root>', 'the root of a pinset')
    .action((root: string) =>
      inSession(group, async ({ out, signal }, { rpc }) => {
        const { listPinset } = await import('../../pinset/pinset.ts')
        for await (const cid of listPinset(await rootOf(root), blocksOf(rpc, signal))) {
          await out.show({ cid: String(cid) }, String(cid))
        }
      })
    )
  pinset
    .command('diff')
    .description('list what was added (+) and removed (-) between two pinsets')
    .argument('<from>', 'the root of a pinset')
    .argument('<to>', 'the root of another')
    .action((from: string, to: string) =>
      inSession(group, async ({ out, signal }, { rpc }) => {
        const { diffPinsets } = await import('../../pinset/pinset.ts')
        const blocks = blocksOf(rpc, signal)
        for await (const one of diffPinsets(await rootOf(from), await rootOf(to), blocks)) {
          const { change, cid } = one
          const sign = change === 'added' ? '+' : '-'
          await out.show({ change, cid: String(cid) }, `${sign} ${String(cid)}`)
        }
      })
    )
}

async function rootOf(text: string): Promise<CID> {
  const { parseCid } = await import('../../unixfs/cid-text.ts')
  return parseCid(text.replace(/^\/ipfs\//, ''))
}

async function membersIn(
  file: string | undefined,
  { signal }: Context
): Promise<AsyncIterable<CID>> {
  const { cidLines } = await import('../../pinset/lines.ts')
  return cidLines(chunksOf(file ?? '-', signal))
}

function blocksOf(rpc: RpcClient, signal: AbortSignal): PinsetBlocks {
  return {
    get: async cid => {
      const answer = await rpc.open('block/get', { args: [String(cid)], signal })
      const pieces: Uint8Array[] = []
      for await (const piece of answer.bytes()) pieces.push(piece)
      return Buffer.concat(pieces)
    },
    put: async ({ bytes }) => {
      const body = multipart([{ kind: 'file', name: 'block', content: bytes }])
      await rpc.json('block/put', { options: { 'cid-codec': 'dag-pb' }, body, signal })
    }
  }
}

/** With `--pin`, an edited pinset takes the place of the old one: that costs the difference. */
async function finish(
  { out, signal }: Context,
  rpc: RpcClient,
  { root, members }: Built,
  { pin = false, name }: CreateOptions,
  from?: CID
): Promise<void> {
  const cid = String(root)
  if (pin && from != null) await rpc.json('pin/update', { args: [String(from), cid], signal })
  else if (pin) await rpc.json('pin/add', { args: [cid], options: { name }, signal })
  const done = pin ? ', pinned' : ''
  await out.show({ cid, members, pinned: pin }, `${cid} (${members} members${done})`)
}
