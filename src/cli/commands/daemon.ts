import type { Group } from '../group.ts'

export function addDaemon(group: Group): void {
  group.program.command('daemon')
}
