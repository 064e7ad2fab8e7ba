import { createHash } from 'node:crypto'
import type { OutgoingHttpHeaders } from 'node:http'
import type { CID } from 'multiformats/cid'
import type { CarRequest, RawRequest } from './negotiate.ts'

/** Anyone's page may read: what it gets is public, and proves itself. */
export const openToAll: OutgoingHttpHeaders = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, HEAD, OPTIONS',
  'access-control-allow-headers': 'Accept, Cache-Control, Content-Type, If-None-Match, Range',
  'access-control-expose-headers': 'Content-Disposition, Content-Length, Content-Location, Etag'
}

export const forever = 'public, max-age=29030400, immutable'

/** Names the bytes of an answer: the CID, the format, and whatever else decides about them. */
export function etagOf(cid: CID, path: string[], wanted: RawRequest | CarRequest): string {
  if (wanted.format === 'raw') return `"${String(cid)}.raw"`
  const { scope, bytes, duplicates } = wanted
  const choices = JSON.stringify([path, scope, bytes ?? null, duplicates])
  const suffix = createHash('sha256').update(choices).digest('hex').slice(0, 16)
  return `W/"${String(cid)}.car.${suffix}"`
}

/** Whether the client has the answer already. */
export function matches(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch == null) return false
  const strong = (tag: string) => tag.trim().replace(/^W\//, '')
  return ifNoneMatch.split(',').some(tag => tag.trim() === '*' || strong(tag) === strong(etag))
}

export function contentType(wanted: RawRequest | CarRequest): string {
  if (wanted.format === 'raw') return 'application/vnd.ipld.raw'
  return `application/vnd.ipld.car; version=1; order=dfs; dups=${wanted.duplicates ? 'y' : 'n'}`
}

/** To be saved, never shown. */
export function disposition(
  cid: CID,
  path: string[],
  format: string,
  asked: string | null
): string {
  const stem = path.length === 0 ? String(cid) : `${String(cid)}_${path.at(-1)}`
  const name = asked ?? `${stem}.${format === 'raw' ? 'bin' : 'car'}`
  const ascii = name.replace(/[^\x20-\x7e]/g, '_').replace(/["\\]/g, '_')
  const encoded = encodeURIComponent(name).replace(
    /['()*]/g,
    char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`
  )
  const wide = ascii === name ? '' : `; filename*=UTF-8''${encoded}`
  return `attachment; filename="${ascii}"${wide}`
}
