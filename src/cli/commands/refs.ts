import { inSession, type Group } from '../group.ts'

interface RefLine {
  Ref: string
  Err?: string
}

export function addRefs(group: Group): void {
  const refs = group.program.command('refs').description('links between blocks')
  refs
    .command('of', { isDefault: true })
    .description('the CIDs that a block links to')
    .argument('<path...>', 'CIDs or paths')
    .option('-r, --recursive', 'and what those link to, and so on')
    .option('-u, --unique', 'each once')
    .action((paths: string[], options: { recursive?: boolean; unique?: boolean }) =>
      show(group, 'refs', paths, { ...options })
    )
  refs
    .command('local')
    .description('every block of the repo (codec raw: a block store knows no codecs)')
    .action(() => show(group, 'refs/local', [], {}))
}

async function show(
  group: Group,
  command: string,
  args: string[],
  options: Record<string, boolean | undefined>
): Promise<void> {
  await inSession(group, async ({ out, signal }, { rpc }) => {
    for await (const { Ref, Err = '' } of rpc.lines<RefLine>(command, { args, options, signal })) {
      if (Err !== '') throw new Error(Err)
      await out.show({ cid: Ref }, Ref)
    }
  })
}
