import { isUtf8 } from 'node:buffer'
import type { Dirent } from 'node:fs'
import { lstat, readdir, readFile, readlink, stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import type { UploadPart } from '../client/multipart.ts'
import { InvalidParametersError } from '../errors.ts'
import { chunksOf } from './files.ts'

export interface TreeOptions {
  /** Files whose name starts with a dot; those named on the command line always go. */
  hidden: boolean
  /** Follow symlinks that are named on the command line. */
  dereferenceArgs: boolean
  signal: AbortSignal
}

/** A file, folder or symlink to be added, under the name it gets. */
interface Entry {
  path: string
  name: string
  kind: UploadPart['kind']
}

/** Read at once, not streamed. */
const smallFileBytes = 256 * 1024

/** Depth first, in byte order of names: the same tree is always sent the same way. */
export async function* uploadParts(
  paths: string[],
  options: TreeOptions
): AsyncGenerator<UploadPart> {
  for await (const entry of walk(paths, options)) yield await partOf(entry, options.signal)
}

/** Bytes of all files, for the progress bar. */
export async function treeBytes(paths: string[], options: TreeOptions): Promise<number> {
  let bytes = 0
  for await (const { path, kind } of walk(paths, options)) {
    if (kind === 'file') bytes += (await stat(path)).size
  }
  return bytes
}

/** Names of roots in one upload must differ: paths in the order given, in as few groups as can be. */
export function groupsByName(paths: string[]): string[][] {
  const groups = [new Map<string, string>()]
  for (const path of paths) {
    const name = rootName(path)
    if (groups.at(-1)?.has(name) === true) groups.push(new Map())
    groups.at(-1)?.set(name, path)
  }
  return groups.map(group => [...group.values()])
}

export function rootName(path: string): string {
  return basename(resolve(path))
}

async function* walk(paths: string[], options: TreeOptions): AsyncGenerator<Entry> {
  for (const path of paths) {
    const found = await (options.dereferenceArgs ? stat(path) : lstat(path))
    yield* walkEntry({ path, name: rootName(path), kind: kindOf(found, path) }, options)
  }
}

async function* walkEntry(entry: Entry, options: TreeOptions): AsyncGenerator<Entry> {
  options.signal.throwIfAborted()
  yield entry
  if (entry.kind !== 'directory') return
  for (const child of await childrenOf(entry.path)) {
    if (child.name[0] === 0x2e && !options.hidden) continue
    const name = child.name.toString()
    const path = `${entry.path}/${name}`
    if (!isUtf8(child.name)) throw notUtf8(path)
    yield* walkEntry({ path, name: `${entry.name}/${name}`, kind: kindOf(child, path) }, options)
  }
}

async function childrenOf(path: string): Promise<Array<Dirent<Buffer>>> {
  const children = await readdir(path, { withFileTypes: true, encoding: 'buffer' })
  return children.sort((a, b) => Buffer.compare(a.name, b.name))
}

interface Typed {
  isFile(): boolean
  isDirectory(): boolean
  isSymbolicLink(): boolean
}

function kindOf(found: Typed, path: string): UploadPart['kind'] {
  if (found.isFile()) return 'file'
  if (found.isDirectory()) return 'directory'
  if (found.isSymbolicLink()) return 'symlink'
  throw new InvalidParametersError(
    `${path}: only files, folders and symbolic links can be added; for a pipe use: add - < PIPE`
  )
}

function notUtf8(path: string): Error {
  return new InvalidParametersError(`${path}: the name is not UTF-8, as names in IPFS must be`)
}

async function partOf({ path, name, kind }: Entry, signal: AbortSignal): Promise<UploadPart> {
  if (kind === 'directory') return { kind, name }
  if (kind === 'symlink') return { kind, name, target: await readlink(path) }
  const { size } = await stat(path)
  // A stream costs more than such a file. Size 0 may be one of /proc, which only a stream reads.
  const small = size > 0 && size <= smallFileBytes
  const content = small ? await readFile(path, { signal }) : chunksOf(path, signal)
  return { kind, name, content }
}
