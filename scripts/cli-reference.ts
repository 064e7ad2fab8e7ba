/** Writes docs/cli.md from the command's own help: `node scripts/cli-reference.ts > docs/cli.md`. */
import type { Command } from 'commander'
import { createProgram } from '../src/cli/program.ts'

const intro = `# The command \`ipfs-zfs\`

Written by \`node scripts/cli-reference.ts\`; change the help texts in \`src/cli/commands\` instead.

Every command works with and without a daemon: when a daemon holds the repo, the command talks to
its RPC; else it opens the repo itself, and nothing uses the network.

- **Repo**: \`--repo PATH\`, else \`IPFS_ZFS_PATH\`, else \`~/.ipfs-zfs\`.
- **Engine**: whose ZFS opens the pool, \`--engine embedded|kernel|auto\`, else \`IPFS_ZFS_ENGINE\`, else
  what the repo was made with or last imported by ([engines](engines.md)).
- **\`--json\`**, before or after the command: one JSON object a line on standard output; a failure is
  \`{"error":{"code":"ERR_…","message":"…"}}\` on standard error. Contents (\`cat\`, \`block get\`,
  \`dag get\`, \`export\` without \`-o\`) are written as they are.
- **Exit codes**: 0 done; 1 failed; 2 the command line makes no sense; 130 interrupted (143 by
  SIGTERM); 141 whoever read the output went away. The repo is whole in every case.
- **Progress** is drawn on standard error when that is a terminal, else a line is written there each
  10 seconds; \`--json\` and \`--quiet\` turn it off.
- \`IPFS_ZFS_DEBUG=1\` adds the stack trace to a failure.
`

function sections(command: Command): string[] {
  const own = command.commands.length === 0 ? [section(command)] : []
  return [...own, ...command.commands.flatMap(sections)]
}

function section(command: Command): string {
  const help = command.configureHelp({ helpWidth: 96, showGlobalOptions: false }).helpInformation()
  const text = help.replace(/^.*-h, --help.*\n/m, '').replace(/\n(Options:\n)(?=\n|$)/, '')
  return `## ${nameOf(command)}\n\n\`\`\`text\n${text.trim()}\n\`\`\`\n`
}

function nameOf(command: Command): string {
  return command.parent == null ? command.name() : `${nameOf(command.parent)} ${command.name()}`
}

export function reference(): string {
  return [intro, ...sections(createProgram(new AbortController().signal))].join('\n')
}

if (import.meta.main) process.stdout.write(reference())
