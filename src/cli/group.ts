import { Command } from 'commander'
import { createContext, type Context, type GlobalOptions } from './context.ts'
import { withSession, type Session } from './session.ts'

/** What a file of `commands/` needs to add its commands. */
export interface Group {
  readonly program: Command
  readonly signal: AbortSignal
}

/** The context of the command line that is running now. */
export function contextOf({ program, signal }: Group): Context {
  return createContext(program.opts<GlobalOptions>(), signal)
}

/** Runs a command's work with the repo's node. */
export async function inSession<T>(
  group: Group,
  work: (context: Context, session: Session) => Promise<T>
): Promise<T> {
  const context = contextOf(group)
  return await withSession(context, session => work(context, session))
}
