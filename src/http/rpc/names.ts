/** The RPC spells names as Kubo does: `RepoSize`. */
export function capitalised(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(capitalised)
  if (value == null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value).map(([key, child]) => [
      key.charAt(0).toUpperCase() + key.slice(1),
      capitalised(child)
    ])
  )
}
