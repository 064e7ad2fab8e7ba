import { multipart } from '../../client/multipart.ts'
import { basename } from 'node:path'
import { chunksOf } from '../files.ts'
import { inSession, type Group } from '../group.ts'

interface PutOptions {
  inputCodec: string
  storeCodec: string
}

export function addDag(group: Group): void {
  const dag = group.program.command('dag').description('nodes of IPLD DAGs')
  dag
    .command('get')
    .description('write a node to standard output')
    .argument('<path>', 'a CID, or CID/field/field')
    .option('--output-codec <codec>', 'how', 'dag-json')
    .action((path: string, { outputCodec }: { outputCodec: string }) =>
      inSession(group, async ({ out, signal }, { rpc }) => {
        const options = { 'output-codec': outputCodec }
        const answer = await rpc.open('dag/get', { args: [path], options, signal })
        for await (const chunk of answer.bytes()) await out.bytes(chunk)
        if (process.stdout.isTTY && outputCodec === 'dag-json') await out.bytes('\n')
      })
    )
  dag
    .command('put')
    .description('store a node')
    .argument('[file]', 'a file; none or "-" is standard input', '-')
    .option('--input-codec <codec>', 'what the file is', 'dag-json')
    .option('--store-codec <codec>', 'what is stored', 'dag-cbor')
    .action((file: string, { inputCodec, storeCodec }: PutOptions) =>
      inSession(group, async ({ out, signal }, { rpc }) => {
        const content = chunksOf(file, signal)
        const { Cid } = await rpc.json<{ Cid: { '/': string } }>('dag/put', {
          body: multipart([{ kind: 'file', name: basename(file), content }]),
          options: { 'input-codec': inputCodec, 'store-codec': storeCodec },
          signal
        })
        await out.show({ cid: Cid['/'] }, Cid['/'])
      })
    )
}
