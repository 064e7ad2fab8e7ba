import type { Change } from '../settings.ts'

/** What another program's configuration was, will be, and why. */
export function showChanges(changes: Change[]): string {
  return changes.length === 0 ? 'nothing to change' : changes.map(showChange).join('\n')
}

function showChange({ path, before, value, why }: Change): string {
  const was = before === undefined ? '(not set)' : JSON.stringify(before)
  return `${path}\n  - ${was}\n  + ${JSON.stringify(value)}\n  ${why}`
}
