import { randomBytes } from 'node:crypto'

/** One part of an upload, as Kubo's `add` takes a tree: parents come before their children. */
export type UploadPart =
  | { kind: 'directory'; name: string }
  | { kind: 'symlink'; name: string; target: string }
  | { kind: 'file'; name: string; content: AsyncIterable<Uint8Array> | Uint8Array }

export interface Multipart {
  contentType: string
  body: AsyncIterable<Uint8Array>
}

const contentTypes = {
  directory: 'application/x-directory',
  symlink: 'application/symlink',
  file: 'application/octet-stream'
}

/** Small pieces are gathered up to this, so that a thousand tiny files are a few writes. */
const gatherBytes = 64 * 1024

/** Encodes parts as they come: never more than one chunk of one file is in memory. */
export function multipart(
  parts: AsyncIterable<UploadPart> | Iterable<UploadPart>,
  onSent?: (bytes: number) => void
): Multipart {
  const boundary = `ipfs-zfs-${randomBytes(16).toString('hex')}`
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    body: gather(encode(parts, boundary, onSent))
  }
}

async function* encode(
  parts: AsyncIterable<UploadPart> | Iterable<UploadPart>,
  boundary: string,
  onSent: ((bytes: number) => void) | undefined
): AsyncGenerator<Uint8Array> {
  for await (const part of parts) {
    yield Buffer.from(
      `--${boundary}\r\n` +
        `Content-Disposition: form-data; name="file"; ` +
        `filename="${encodeURIComponent(part.name)}"\r\n` +
        `Content-Type: ${contentTypes[part.kind]}\r\n\r\n`
    )
    for await (const chunk of contentOf(part)) {
      yield chunk
      onSent?.(chunk.byteLength)
    }
    yield Buffer.from('\r\n')
  }
  yield Buffer.from(`--${boundary}--\r\n`)
}

function contentOf(part: UploadPart): AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
  if (part.kind === 'directory') return []
  if (part.kind === 'symlink') return [Buffer.from(part.target)]
  return part.content instanceof Uint8Array ? [part.content] : part.content
}

async function* gather(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = []
  let heldBytes = 0
  for await (const piece of pieces) {
    held.push(piece)
    heldBytes += piece.byteLength
    if (heldBytes < gatherBytes) continue
    yield* piece.byteLength >= gatherBytes ? held : [Buffer.concat(held, heldBytes)]
    held = []
    heldBytes = 0
  }
  if (heldBytes > 0) yield Buffer.concat(held, heldBytes)
}
