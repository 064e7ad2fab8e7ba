/** OpenZFS's own tools, and others, as root in the lab. */
import { execFileSync } from 'node:child_process'

/** What it printed; throws when it failed, with what it said. */
export function sh(command: string, ...args: string[]): string {
  return String(execFileSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'] }))
}
