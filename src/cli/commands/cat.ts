import { inSession, type Group } from '../group.ts'

export function addCat(group: Group): void {
  group.program
    .command('cat')
    .description('write the content of files to standard output')
    .argument('<path...>', 'CIDs, or paths such as CID/folder/file')
    .option('-o, --offset <bytes>', 'start here')
    .option('-l, --length <bytes>', 'stop after so many')
    .action((paths: string[], options: { offset?: string; length?: string }) =>
      inSession(group, async ({ out, signal }, { rpc }) => {
        const answer = await rpc.open('cat', { args: paths, options: { ...options }, signal })
        for await (const chunk of answer.bytes()) await out.bytes(chunk)
      })
    )
}
