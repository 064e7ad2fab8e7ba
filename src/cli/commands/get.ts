import { realpath } from 'node:fs/promises'
import { resolve } from 'node:path'
import { inSession, type Group } from '../group.ts'
import { startProgress } from '../progress.ts'
import { showBytes, showCount } from '../units.ts'

interface GetOptions {
  output?: string
  quiet?: boolean
}

export function addGet(group: Group): void {
  group.program
    .command('get')
    .description('write a file or a folder with all it holds to disk')
    .argument('<path>', 'a CID, or a path such as CID/folder')
    .option('-o, --output <path>', 'where to; default: the last part of the path')
    .option('-q, --quiet', 'no progress')
    .action((path: string, options: GetOptions) =>
      inSession(group, async ({ out, signal }, { rpc }) => {
        const { unpack } = await import('../unpack.ts')
        const answer = await rpc.open('get', { args: [path], options: { archive: true }, signal })
        const progress = startProgress(out, {
          label: 'getting',
          total: answer.totalBytes,
          quiet: options.quiet
        })
        const target = await targetOf(path, options)
        const done = await unpack(answer.bytes(), {
          target,
          signal,
          onBytes: bytes => progress.add(bytes)
        }).finally(() => progress.stop())
        const what = `${showCount(done.files, 'file')}, ${showBytes(done.bytes)}`
        await out.show(done, `saved ${done.path} (${what})`)
      })
    )
}

async function targetOf(path: string, { output }: GetOptions): Promise<string> {
  if (output == null) return resolve(path.replace(/\/+$/, '').split('/').at(-1) ?? path)
  // A symlink that the user names is meant; those inside are never followed.
  return await realpath(output).catch(() => resolve(output))
}
