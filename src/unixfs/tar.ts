import type { PBLink } from '@ipld/dag-pb'
import type { GetBlock } from './blocks.ts'
import { readEntity, type Entity } from './entity.ts'
import { listFolder } from './list.ts'
import { fileContent } from './read.ts'

const blockBytes = 512
const nameBytesMax = 100
/** What eleven octal digits can say. */
const sizeMax = 8 ** 11 - 1

/** A file or folder with all below it as a tar archive, which other names lead out of never. */
export async function* writeTar(
  root: Entity,
  name: string,
  get: GetBlock,
  now = new Date()
): AsyncGenerator<Uint8Array> {
  yield* writeEntity(root, name, get, now)
  yield new Uint8Array(2 * blockBytes)
}

async function* writeEntity(
  entity: Entity,
  path: string,
  get: GetBlock,
  now: Date
): AsyncGenerator<Uint8Array> {
  switch (entity.kind) {
    case 'file':
      yield header({ path, type: '0', mode: 0o644, size: entity.size, link: '', now })
      yield* fileContent(entity, get)
      yield new Uint8Array((blockBytes - (entity.size % blockBytes)) % blockBytes)
      return
    case 'symlink':
      yield header({ path, type: '2', mode: 0o777, size: 0, link: entity.target, now })
      return
    case 'folder':
    case 'shard':
      yield header({ path, type: '5', mode: 0o755, size: 0, link: '', now })
      for await (const link of listFolder(entity, get)) {
        const child = readEntity({ cid: link.Hash, bytes: await get(link.Hash) })
        yield* writeEntity(child, `${path}/${safeName(link)}`, get, now)
      }
      return
    default:
      throw new Error(`${String(entity.block.cid)} is not a file or folder`)
  }
}

function safeName({ Name = '' }: PBLink): string {
  if (Name === '' || Name === '.' || Name === '..' || /[/\0]/.test(Name)) {
    throw new Error('relative UnixFS paths outside the root are not allowed, use CAR instead')
  }
  return Name
}

interface Entry {
  path: string
  type: '0' | '2' | '5' | 'x'
  mode: number
  size: number
  link: string
  now: Date
}

/** A ustar header, with a PAX one before it for what does not fit. */
function header(entry: Entry): Uint8Array {
  // folders end without a slash: Kubo's reader takes one for a second component
  const { path } = entry
  const records: string[] = []
  if (!fits(path)) records.push(paxRecord('path', path))
  if (!fits(entry.link)) records.push(paxRecord('linkpath', entry.link))
  if (entry.size > sizeMax) records.push(paxRecord('size', String(entry.size)))
  const plain = ustar(entry)
  if (records.length === 0) return plain
  const pax = Buffer.from(records.join(''))
  const padding = new Uint8Array((blockBytes - (pax.byteLength % blockBytes)) % blockBytes)
  const paxHeader = ustar({ ...entry, path: 'pax', type: 'x', size: pax.byteLength, link: '' })
  return Buffer.concat([paxHeader, pax, padding, plain])
}

function fits(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text) && text.length <= nameBytesMax
}

/** Its length counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  const bytes = Buffer.byteLength(rest)
  let length = bytes
  while (String(length).length + bytes !== length) length = String(length).length + bytes
  return `${length}${rest}`
}

function ustar({ path, type, mode, size, link, now }: Entry): Uint8Array {
  const block = Buffer.alloc(blockBytes)
  block.write(path.slice(0, nameBytesMax), 0, nameBytesMax, 'latin1')
  block.write(octal(mode, 7), 100)
  block.write(octal(0, 7), 108)
  block.write(octal(0, 7), 116)
  block.write(octal(Math.min(size, sizeMax), 11), 124)
  block.write(octal(Math.floor(now.getTime() / 1000), 11), 136)
  block.write(' '.repeat(8), 148)
  block.write(type, 156)
  block.write(link.slice(0, nameBytesMax), 157, nameBytesMax, 'latin1')
  block.write('ustar\u000000', 257)
  let sum = 0
  for (const byte of block) sum += byte
  block.write(`${octal(sum, 6)}\0 `, 148)
  return block
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0')
}
