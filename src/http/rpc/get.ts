import { createGzip } from 'node:zlib'
import { Readable } from 'node:stream'
import { readEntity, type Entity } from '../../unixfs/entity.ts'
import { fileContent } from '../../unixfs/read.ts'
import { writeTar } from '../../unixfs/tar.ts'
import { bytes, firstArg, type Command } from './command.ts'
import { bool, int, text, type Options } from './options.ts'
import { reader, resolveArg } from './paths.ts'

export const get: Command = {
  name: 'get',
  args: { name: 'ipfs-path', required: true },
  options: [
    text('output', 'o'),
    bool('archive', 'a'),
    bool('compress', 'C'),
    int('compression-level', 'l'),
    bool('progress', 'p')
  ],
  run: async (request, node) => {
    const level = gzipLevel(request.options)
    const read = reader(request, node)
    const { cid } = await resolveArg(firstArg(request), request, node)
    const entity = readEntity({ cid, bytes: await read(cid) })
    if (entity.kind === 'other') throw new Error('unrecognized node type')
    const name = firstArg(request).replace(/\/+$/, '').split('/').at(-1) ?? ''
    if (level != null && !request.options.bool('archive')) {
      // compressed, but not asked to be an archive: the file itself
      if (entity.kind !== 'file') throw new Error('file is not regular')
      return bytes(gzip(fileContent(entity, read), level), 'application/gzip', entity.size)
    }
    const tar = writeTar(entity, name, read)
    return level == null
      ? bytes(tar, 'application/x-tar', sizeOf(entity))
      : bytes(gzip(tar, level), 'application/gzip', sizeOf(entity))
  }
}

/** What Kubo calls the length: of the content, for folders with all framing below. */
function sizeOf(entity: Entity): number {
  if (entity.kind === 'file') return entity.size
  if (entity.kind === 'symlink') return Buffer.byteLength(entity.target)
  let size = entity.block.bytes.byteLength
  for (const link of entity.links) size += link.Tsize ?? 0
  return size
}

function gzipLevel(options: Options): number | undefined {
  if (!options.bool('compress')) return undefined
  const level = options.number('compression-level') ?? 6
  if (level < 1 || level > 9) throw new Error('compression level must be between 1 and 9')
  return level
}

function gzip(source: AsyncIterable<Uint8Array>, level: number): AsyncIterable<Uint8Array> {
  const readable = Readable.from(source, { objectMode: false })
  const zipped = createGzip({ level })
  readable.on('error', error => zipped.destroy(error))
  zipped.on('close', () => readable.destroy())
  return readable.pipe(zipped)
}
