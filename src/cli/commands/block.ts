import { codeOf, RpcError } from '../../client/errors.ts'
import { multipart, type UploadPart } from '../../client/multipart.ts'
import { basename } from 'node:path'
import { chunksOf } from '../files.ts'
import { inSession, type Group } from '../group.ts'

interface PutOptions {
  cidCodec: string
  mhtype: string
}

interface BlockAnswer {
  Key: string
  Size: number
}

interface RemovedLine {
  Hash: string
  Error?: string
}

export function addBlock(group: Group): void {
  const block = group.program.command('block').description('single blocks, as they are stored')
  block
    .command('put')
    .description('store files, one block each (4 MiB at most)')
    .argument('[file...]', 'files; none or "-" is standard input')
    .option('--cid-codec <codec>', 'codec of the CID', 'raw')
    .option('--mhtype <name>', 'hash function', 'sha2-256')
    .action((files: string[], options: PutOptions) => put(group, files, options))
  block
    .command('get')
    .description('write blocks to standard output')
    .argument('<cid...>')
    .action((cids: string[]) => get(group, cids))
  block
    .command('stat')
    .description('the sizes of blocks')
    .argument('<cid...>')
    .action((cids: string[]) => stat(group, cids))
  block
    .command('rm')
    .description('delete blocks')
    .argument('<cid...>')
    .option('-f, --force', 'no error for blocks that are not there')
    .action((cids: string[], options: { force?: boolean }) => rm(group, cids, options))
}

async function put(group: Group, files: string[], options: PutOptions): Promise<void> {
  await inSession(group, async ({ out, signal }, { rpc }) => {
    const blocks = rpc.lines<BlockAnswer>('block/put', {
      body: multipart(blockParts(files, signal)),
      options: { 'cid-codec': options.cidCodec, mhtype: options.mhtype, 'allow-big-block': true },
      signal
    })
    for await (const { Key, Size } of blocks) await out.show({ cid: Key, size: Size }, Key)
  })
}

function* blockParts(files: string[], signal: AbortSignal): Generator<UploadPart> {
  for (const file of files.length === 0 ? ['-'] : files) {
    yield { kind: 'file', name: basename(file), content: chunksOf(file, signal) }
  }
}

async function get(group: Group, cids: string[]): Promise<void> {
  await inSession(group, async ({ out, signal }, { rpc }) => {
    for (const cid of cids) {
      const answer = await rpc.open('block/get', { args: [cid], signal })
      for await (const chunk of answer.bytes()) await out.bytes(chunk)
    }
  })
}

async function stat(group: Group, cids: string[]): Promise<void> {
  await inSession(group, async ({ out, signal }, { rpc }) => {
    for (const cid of cids) {
      const { Key, Size } = await rpc.json<BlockAnswer>('block/stat', { args: [cid], signal })
      await out.show({ cid: Key, size: Size }, `${Key} ${Size}`)
    }
  })
}

async function rm(group: Group, cids: string[], options: { force?: boolean }): Promise<void> {
  await inSession(group, async ({ out, signal }, { rpc }) => {
    const lines = rpc.lines<RemovedLine>('block/rm', {
      args: cids,
      options: { force: options.force },
      signal
    })
    const failures: string[] = []
    for await (const { Hash, Error: failure = '' } of lines) {
      if (failure === '') await out.show({ cid: Hash }, `removed ${Hash}`)
      else failures.push(`cannot remove ${Hash}: ${failure}`)
    }
    if (failures.length === 0) return
    const message = failures.join('; ')
    throw new RpcError(message, codeOf(message), 200)
  })
}
