import { keyAt, keyText, packKeys, type PinCatalog } from './catalog.ts'
import type { Links } from './links.ts'

/** What `refs` has of nodes and of those below them that are no leaves, by key; 0 where nothing. */
export async function linkCounts(
  catalog: PinCatalog,
  opened: Array<{ node: { key: Uint8Array }; links: Links }>
): Promise<Map<string, number>> {
  const keys = new Map<string, Uint8Array>()
  for (const { node, links } of opened) {
    keys.set(keyText(node.key), node.key)
    for (let i = 0; i < links.kinds.length; i++) {
      const key = keyAt(links.inner, i)
      keys.set(keyText(key), key)
    }
  }
  const values = await catalog.get('refs', packKeys([...keys.values()]))
  const counts = new Map<string, number>()
  let at = 0
  for (const text of keys.keys()) counts.set(text, values[at++] ?? 0)
  return counts
}
