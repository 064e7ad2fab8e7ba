import { once } from 'node:events'
import { lstat, mkdir, open, symlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { Parser, type ReadEntry } from 'tar'
import { CorruptError, ExistsError } from '../errors.ts'
import { inPlace } from './files.ts'
import { printable } from './table.ts'

export interface Unpacked {
  /** Where the root went. */
  path: string
  files: number
  folders: number
  symlinks: number
  bytes: number
}

export interface UnpackOptions {
  /** What the root of the archive becomes. A root that is a file goes into a folder of this name. */
  target: string
  signal: AbortSignal
  onBytes?: (bytes: number) => void
}

/** Writes the tree of a tar stream whose entries all lie in, or are, one root. */
export async function unpack(
  archive: AsyncIterable<Uint8Array>,
  options: UnpackOptions
): Promise<Unpacked> {
  const tree = new TreeWriter(options)
  await eachEntry(archive, entry => tree.write(entry), options.signal)
  return await tree.finish()
}

/** One entry at a time; an entry's bytes flow as they are taken. */
async function eachEntry(
  archive: AsyncIterable<Uint8Array>,
  take: (entry: ReadEntry) => Promise<void>,
  signal: AbortSignal
): Promise<void> {
  const stop = new AbortController()
  let current: ReadEntry | undefined
  const fail = (error: unknown) => {
    stop.abort(error)
    current?.destroy(new Error('stopped'))
  }
  let taken = Promise.resolve()
  const parser = new Parser({
    strict: true,
    onReadEntry: entry => {
      current = entry.on('error', () => {})
      taken = taken.then(() => (stop.signal.aborted ? undefined : take(entry))).catch(fail)
    }
  })
  parser.on('error', fail)
  const either = AbortSignal.any([stop.signal, signal])
  const ended = once(parser, 'end', { signal: either })
  ended.catch(() => {})
  try {
    for await (const chunk of archive) {
      either.throwIfAborted()
      if (!parser.write(chunk)) await once(parser, 'drain', { signal: either })
    }
    parser.end()
    await ended
  } catch (error) {
    fail(error)
  }
  await taken
  stop.signal.throwIfAborted()
}

/**
 * Nothing is written outside the root: names are checked, folders on the way must be real folders,
 * files and symlinks are renamed into place (which replaces a symlink and never follows one), and
 * the archive's own symlinks come last, when nothing is written any more.
 */
class TreeWriter {
  readonly #options: UnpackOptions
  readonly #folders = new Set<string>()
  readonly #symlinks: Array<{ path: string; target: string }> = []
  readonly #counts = { files: 0, folders: 0, symlinks: 0, bytes: 0 }
  #root: string | undefined

  constructor(options: UnpackOptions) {
    this.#options = options
  }

  async write(entry: ReadEntry): Promise<void> {
    const inside = checkedNames(entry.path).slice(1)
    if (this.#root == null && inside.length > 0) throw new CorruptError('the archive has no root')
    this.#root ??= await this.#rootOf(entry)
    const path = join(this.#root, ...inside)
    if (entry.type === 'Directory') {
      await this.#ensureFolder(path)
      entry.resume()
    } else if (entry.type === 'SymbolicLink') {
      this.#symlinks.push({ path, target: entry.linkpath ?? '' })
      entry.resume()
    } else if (entry.type === 'File') {
      await this.#ensureParent(path)
      await this.#writeFile(path, entry)
    } else {
      throw new CorruptError(`the node sent a ${entry.type} named ${printable(entry.path)}`)
    }
  }

  async finish(): Promise<Unpacked> {
    for (const { path, target } of this.#symlinks) {
      await this.#ensureParent(path)
      await this.#inPlace(path, temporary => symlink(target, temporary))
      this.#counts.symlinks += 1
    }
    if (this.#root == null) throw new CorruptError('the node sent an empty archive')
    return { path: this.#root, ...this.#counts }
  }

  async #rootOf(entry: ReadEntry): Promise<string> {
    const { target } = this.#options
    const found = await kindAt(target)
    const intoFolder = found === 'folder' && entry.type !== 'Directory'
    return intoFolder ? join(target, basename(entry.path)) : target
  }

  async #ensureParent(path: string): Promise<void> {
    if (path !== this.#root) await this.#ensureFolder(dirname(path))
  }

  async #ensureFolder(path: string): Promise<void> {
    if (this.#folders.has(path)) return
    await this.#ensureParent(path)
    const found = await kindAt(path)
    if (found === 'other') {
      throw new ExistsError(`${printable(path)} is there already and is not a folder; remove it`)
    }
    if (found === 'nothing') await mkdir(path)
    this.#folders.add(path)
    this.#counts.folders += 1
  }

  async #writeFile(path: string, entry: ReadEntry): Promise<void> {
    await this.#inPlace(path, async temporary => {
      const file = await open(temporary, 'wx', (entry.mode ?? 0o644) & 0o777)
      try {
        for await (const chunk of entry) {
          this.#options.signal.throwIfAborted()
          await file.writeFile(chunk)
          this.#counts.bytes += chunk.byteLength
          this.#options.onBytes?.(chunk.byteLength)
        }
      } finally {
        await file.close()
      }
    })
    this.#counts.files += 1
  }

  async #inPlace(path: string, make: (temporary: string) => Promise<void>): Promise<void> {
    if ((await kindAt(path)) === 'folder') {
      throw new ExistsError(`${printable(path)} is a folder already; remove it or use another -o`)
    }
    await inPlace(path, make)
  }
}

async function kindAt(path: string): Promise<'folder' | 'other' | 'nothing'> {
  try {
    return (await lstat(path)).isDirectory() ? 'folder' : 'other'
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 'nothing'
    throw error
  }
}

function checkedNames(path: string): string[] {
  const names = path.replace(/\/+$/, '').split('/')
  const unsafe = names.some(name => ['', '.', '..'].includes(name) || name.includes('\0'))
  if (!unsafe) return names
  throw new CorruptError(`"${printable(path)}" would be written outside the target; nothing is`)
}
