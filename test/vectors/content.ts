/** The inputs of the fixed vectors. Change one and `kubo-cids.json` must be made anew. */

export interface Input {
  path: string
  kind: 'file' | 'folder' | 'symlink'
  bytes?: Uint8Array
  target?: string
}

export interface Case {
  name: string
  inputs: () => Input[]
}

/** Bytes that never repeat at a chunk's length: an xorshift. */
export function pattern(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length)
  let state = seed >>> 0 || 1
  for (let i = 0; i < length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = state & 255
  }
  return bytes
}

const file = (path: string, length: number, seed = 1): Input => ({
  path,
  kind: 'file',
  bytes: pattern(length, seed)
})
const folder = (path: string): Input => ({ path, kind: 'folder' })

function manyFiles(count: number, nameLength: number): Input[] {
  const inputs = [folder('many')]
  for (let i = 0; i < count; i++) {
    inputs.push(file(`many/${String(i).padStart(nameLength, 'n')}`, 10, i + 1))
  }
  return inputs
}

function manyFolders(count: number): Input[] {
  const inputs = [folder('folders')]
  for (let i = 0; i < count; i++) {
    const name = `folders/${String(i).padStart(40, 'f')}`
    inputs.push(folder(name), file(`${name}/x`, 5, i + 1))
  }
  return inputs
}

const single = (length: number): Case => ({
  name: `file of ${length} bytes`,
  inputs: () => [file('file', length)]
})

export const cases: Case[] = [
  ...[0, 1, 262_144, 262_145, 10 * 1024 * 1024, 174 * 262_144, 174 * 262_144 + 1].map(single),
  {
    name: 'nested folders',
    inputs: () => [
      folder('top'),
      file('top/a', 100),
      folder('top/b'),
      folder('top/b/c'),
      file('top/b/c/big', 600_000, 7),
      folder('top/empty'),
      { path: 'top/link', kind: 'symlink', target: 'b/c/big' },
      file('top/ünïcode 名前.txt', 20, 9)
    ]
  },
  // names of 64 and CIDs of 34 or 36 bytes: Kubo shards over 262,144 bytes of both
  { name: 'folder just below sharding, CIDv0', inputs: () => manyFiles(2_674, 64) },
  { name: 'folder just above sharding, CIDv0', inputs: () => manyFiles(2_675, 64) },
  { name: 'folder just below sharding, CIDv1', inputs: () => manyFiles(2_621, 64) },
  { name: 'folder just above sharding, CIDv1', inputs: () => manyFiles(2_622, 64) },
  { name: 'sharded folder, two levels', inputs: () => manyFiles(6_000, 40) },
  { name: 'sharded folder of folders', inputs: () => manyFolders(4_000) }
]

/** The ways in which each case is added, as options of `ipfs add`. */
export const variants = {
  CIDv0: { 'cid-version': '0' },
  'CIDv0 with raw leaves': { 'cid-version': '0', 'raw-leaves': 'true' },
  CIDv1: { 'cid-version': '1' },
  'CIDv1 without raw leaves': { 'cid-version': '1', 'raw-leaves': 'false' }
} as const

/** Of the root. */
export interface Line {
  cid: string
  size: string
}

/** By case, then variant. */
export type Vectors = Record<string, Record<string, Line>>
