import type { CID } from 'multiformats/cid'
import { InvalidParametersError } from '../errors.ts'
import { writeFile, putSymlink } from './file.ts'
import type { Built, PutBlock } from './node.ts'
import type { Profile } from './profile.ts'
import { Tree } from './tree.ts'

export type AddEntry =
  | { kind: 'file'; path: string; content: AsyncIterable<Uint8Array> }
  | { kind: 'folder'; path: string }
  | { kind: 'symlink'; path: string; target: string }

export type AddEvent =
  | { kind: 'progress'; path: string; bytes: number }
  | { kind: 'added'; path: string; cid: CID; cumulativeBytes: number }
  /** One entry of the top level is complete: this is what to pin. */
  | { kind: 'root'; path: string; cid: CID }

export interface AddOptions {
  profile: Profile
  put: PutBlock
  /** Puts everything below one more folder. */
  wrap: boolean
  /** Reports each this many bytes of a file, and its end. Absent: never. */
  progressBytes?: number
}

/**
 * Imports files and folders as they stream in. Entries come depth first: those below one top-level
 * folder are together. Memory grows with the number of names below one top-level folder.
 */
export async function* addEntries(
  entries: AsyncIterable<AddEntry>,
  options: AddOptions
): AsyncGenerator<AddEvent> {
  let open: { name: string; tree: Tree } | undefined = options.wrap
    ? { name: '', tree: new Tree() }
    : undefined
  for await (const entry of entries) {
    const path = splitPath(entry.path)
    const top = path[0] ?? ''
    if (open != null && !options.wrap && top !== open.name) {
      yield* finishFolder(open.name, open.tree, options)
      open = undefined
    }
    const inFolder = options.wrap || path.length > 1 || entry.kind === 'folder'
    if (inFolder) open ??= { name: top, tree: new Tree() }
    if (entry.kind === 'folder') {
      open?.tree.folder(options.wrap ? path : path.slice(1))
      continue
    }
    const built = yield* addLeaf(entry, path, options)
    const named = path.length > 0 ? path : [built.cid.toString()]
    const joined = named.join('/')
    yield { kind: 'added', path: joined, cid: built.cid, cumulativeBytes: built.cumulativeBytes }
    if (inFolder) open?.tree.set(options.wrap ? named : named.slice(1), built)
    else yield { kind: 'root', path: joined, cid: built.cid }
  }
  if (open != null) yield* finishFolder(open.name, open.tree, options)
}

async function* finishFolder(
  name: string,
  tree: Tree,
  options: AddOptions
): AsyncGenerator<AddEvent> {
  const writing = tree.write(name, options.profile, options.put)
  for (;;) {
    const step = await writing.next()
    if (step.done === true) {
      yield { kind: 'root', path: name, cid: step.value.cid }
      return
    }
    const { path, built } = step.value
    yield { kind: 'added', path, cid: built.cid, cumulativeBytes: built.cumulativeBytes }
  }
}

async function* addLeaf(
  entry: Exclude<AddEntry, { kind: 'folder' }>,
  path: string[],
  options: AddOptions
): AsyncGenerator<AddEvent, Built> {
  if (entry.kind === 'symlink') return putSymlink(entry.target, options.profile, options.put)
  const joined = path.join('/')
  const writing = writeFile(entry.content, options.profile, options.put)
  let reported = 0
  let bytes = 0
  for (;;) {
    const step = await writing.next()
    if (step.done === true) {
      if (options.progressBytes != null) yield { kind: 'progress', path: joined, bytes }
      return step.value
    }
    bytes = step.value
    if (options.progressBytes != null && bytes - reported >= options.progressBytes) {
      reported = bytes
      yield { kind: 'progress', path: joined, bytes }
    }
  }
}

/** Cleans a path as Go's path.Clean does, and refuses to leave the root. */
function splitPath(path: string): string[] {
  const names = path.split('/').filter(name => name !== '' && name !== '.')
  if (names.includes('..')) throw new InvalidParametersError(`path "${path}" has ".." in it`)
  return names
}
