import type { IncomingMessage } from 'node:http'
import { BadRequestError } from './errors.ts'

/** One file of a multipart body. Read `content` before you ask for the next part. */
export interface Part {
  /** The file's path as its sender wrote it, `dir/name`; empty when it gave none. */
  path: string
  contentType: string
  content: AsyncIterable<Uint8Array>
}

const headerBytesMax = 64 * 1024
const lineEnd = Buffer.from('\r\n')
const blankLine = Buffer.from('\r\n\r\n')

/** What separates the parts; undefined when the body is no form. */
export function multipartBoundary(contentType: string | undefined): string | undefined {
  const [type = '', ...parameters] = (contentType ?? '').split(';')
  if (type.trim().toLowerCase() !== 'multipart/form-data') return undefined
  for (const parameter of parameters) {
    const [name = '', ...rest] = parameter.split('=')
    if (name.trim().toLowerCase() === 'boundary') return rest.join('=').trim().replace(/^"|"$/g, '')
  }
  throw new BadRequestError('no multipart boundary param in Content-Type')
}

/** Cuts a form into its files as it streams in. */
export async function* readMultipart(
  body: IncomingMessage,
  boundary: string
): AsyncGenerator<Part> {
  const source = new Scanner(body)
  const delimiter = Buffer.from(`\r\n--${boundary}`)
  // the first delimiter may lack the line end that belongs to all others
  source.unread(lineEnd)
  await source.until(delimiter).drain()
  while (!(await source.startsWith('--'))) {
    await source.until(lineEnd).drain()
    const { disposition, contentType } = parseHeaders(await readHeaders(source))
    const content = source.until(delimiter)
    yield { path: unescape(disposition['filename'] ?? ''), contentType, content }
    await content.drain()
  }
  await source.finish()
}

async function readHeaders(source: Scanner): Promise<string> {
  // a part without headers begins with the blank line at once
  if (await source.startsWith('\r\n')) {
    await source.until(lineEnd).drain()
    return ''
  }
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of source.until(blankLine)) {
    pieces.push(piece)
    bytes += piece.byteLength
    if (bytes > headerBytesMax) throw new BadRequestError('multipart: headers too long')
  }
  return Buffer.concat(pieces).toString()
}

function parseHeaders(block: string) {
  const headers = new Map<string, string>()
  for (const line of block.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon > 0)
      headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim())
  }
  const [contentType = ''] = (headers.get('content-type') ?? '').split(';')
  return {
    contentType: contentType.trim().toLowerCase(),
    disposition: parameters(headers.get('content-disposition') ?? '')
  }
}

function parameters(header: string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const [, name = '', quoted, bare] of header.matchAll(
    /;\s*([\w*-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))/g
  )) {
    found[name.toLowerCase()] = quoted == null ? (bare ?? '') : quoted.replace(/\\(["\\])/g, '$1')
  }
  return found
}

/** As Go's QueryUnescape: what is no escape is taken as it is. */
function unescape(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}

/** What is before a separator. A reader that stops early leaves the rest to `drain`. */
interface Section extends AsyncIterable<Uint8Array> {
  drain(): Promise<void>
}

/** Looks for separators in a stream, holding no more than it must. */
class Scanner {
  readonly #source: AsyncIterator<Uint8Array>
  #held: Buffer = Buffer.alloc(0)

  constructor(source: AsyncIterable<Uint8Array>) {
    // never returned early: that would end the connection before it is answered
    this.#source = source[Symbol.asyncIterator]()
  }

  unread(bytes: Buffer): void {
    this.#held = Buffer.concat([bytes, this.#held])
  }

  async startsWith(text: string): Promise<boolean> {
    while (this.#held.byteLength < text.length) await this.#more()
    return this.#held.subarray(0, text.length).toString('latin1') === text
  }

  /** All bytes before the separator, which is taken too. */
  until(separator: Buffer): Section {
    let ended = false
    const next = async (): Promise<Uint8Array | undefined> => {
      while (!ended) {
        const at = this.#held.indexOf(separator)
        ended = at >= 0
        // the separator may have begun in the last bytes
        const sure = ended ? at : Math.max(0, this.#held.byteLength - separator.byteLength + 1)
        const piece = this.#held.subarray(0, sure)
        this.#held = this.#held.subarray(ended ? at + separator.byteLength : sure)
        if (piece.byteLength > 0) return piece
        if (!ended) await this.#more()
      }
      return undefined
    }
    return {
      async *[Symbol.asyncIterator]() {
        for (let piece = await next(); piece != null; piece = await next()) yield piece
      },
      async drain() {
        while ((await next()) != null);
      }
    }
  }

  /** Reads what follows the last part, so that the connection can carry another request. */
  async finish(): Promise<void> {
    while ((await this.#source.next()).done !== true);
  }

  async #more(): Promise<void> {
    const step = await this.#source.next()
    if (step.done === true) throw new BadRequestError('multipart: NextPart: EOF')
    const chunk = Buffer.from(step.value.buffer, step.value.byteOffset, step.value.byteLength)
    this.#held = this.#held.byteLength === 0 ? chunk : Buffer.concat([this.#held, chunk])
  }
}
