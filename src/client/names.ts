/** `/api/v0/zfs/…` spells the names of src/repo/types.ts as Kubo would: `ByPointer`. Back again. */
export function lowerNames(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(lowerNames)
  if (value == null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value).map(([name, child]) => [
      name.charAt(0).toLowerCase() + name.slice(1),
      lowerNames(child)
    ])
  )
}
