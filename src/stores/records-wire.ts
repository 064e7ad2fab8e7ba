/**
 * What travels between a datastore and the worker that holds its SQLite database. Keys and values
 * of one message are laid back to back in one buffer, which is handed over, not copied: cloning
 * thousands of small arrays costs more than writing them, and cloning one that is a view of a
 * pooled Buffer would copy the pool.
 */

/** One change or question. `key` and `value` are copied when the message is made. */
export interface RecordOp {
  kind: 'put' | 'get' | 'has' | 'delete'
  key: Uint8Array
  /** Only of a put. */
  value?: Uint8Array
}

/** A get: the value; a has: whether it is there; undefined for the rest and for what is absent. */
export type RecordAnswer = Uint8Array | boolean | undefined

const KINDS: ReadonlyArray<RecordOp['kind']> = ['put', 'get', 'has', 'delete']

export interface PackedOps {
  /** Three for each op: its place in KINDS, and the lengths of key and value in bytes. */
  shape: Int32Array
  data: ArrayBuffer
}

export function packOps(ops: RecordOp[]): PackedOps {
  const shape = new Int32Array(ops.length * 3)
  let bytes = 0
  for (const { key, value } of ops) {
    bytes += key.byteLength + (value?.byteLength ?? 0)
  }
  const data = new Uint8Array(bytes)
  let at = 0
  for (let i = 0; i < ops.length; i++) {
    const { kind, key, value } = ops[i] as RecordOp
    shape[i * 3] = KINDS.indexOf(kind)
    shape[i * 3 + 1] = key.byteLength
    shape[i * 3 + 2] = value?.byteLength ?? 0
    data.set(key, at)
    at += key.byteLength
    if (value != null) {
      data.set(value, at)
      at += value.byteLength
    }
  }
  return { shape, data: data.buffer }
}

/** Views, not copies. */
export function unpackOps({ shape, data }: PackedOps): RecordOp[] {
  const ops: RecordOp[] = []
  let at = 0
  for (let i = 0; i < shape.length; i += 3) {
    const kind = KINDS[shape[i] as number] as RecordOp['kind']
    const key = new Uint8Array(data, at, shape[i + 1])
    at += key.byteLength
    const value = new Uint8Array(data, at, shape[i + 2])
    at += value.byteLength
    ops.push(kind === 'put' ? { kind, key, value } : { kind, key })
  }
  return ops
}

export interface PackedList {
  /** Lengths in bytes; -1 for nothing, -2 for true. */
  lengths: Int32Array
  data: ArrayBuffer
}

const NOTHING = -1
const TRUE = -2

export function packAnswers(answers: RecordAnswer[]): PackedList {
  const lengths = new Int32Array(answers.length)
  let bytes = 0
  for (let i = 0; i < answers.length; i++) {
    const answer = answers[i]
    lengths[i] = answer instanceof Uint8Array ? answer.byteLength : answer ? TRUE : NOTHING
    bytes += Math.max(0, lengths[i] as number)
  }
  const data = new Uint8Array(bytes)
  let at = 0
  for (const answer of answers) {
    if (answer instanceof Uint8Array) {
      data.set(answer, at)
      at += answer.byteLength
    }
  }
  return { lengths, data: data.buffer }
}

/** Copies, so that who keeps one small value does not keep the whole message in memory. */
export function unpackAnswers({ lengths, data }: PackedList): RecordAnswer[] {
  const answers: RecordAnswer[] = []
  let at = 0
  for (const length of lengths) {
    if (length < 0) {
      answers.push(length === TRUE ? true : undefined)
    } else if (length === data.byteLength) {
      answers.push(new Uint8Array(data))
    } else {
      answers.push(new Uint8Array(data.slice(at, at + length)))
      at += length
    }
  }
  return answers
}

/** Records ordered by the bytes of their keys, from `from` up to but without `to`. */
export interface PageRequest {
  from: Uint8Array
  /** False: `from` itself was the last of the page before. */
  withFrom: boolean
  to?: Uint8Array
  skip: number
  maxRecords: number
  /** A page ends with the record that reaches this. */
  maxBytes: number
  keysOnly: boolean
}

export interface PackedPage extends PackedList {
  /** False when this was the last page. */
  more: boolean
}

export interface RecordsSetUp {
  /** The addon's file, which registers the SQLite VFS. */
  extension: string
  recordsUri: string
  catalogUri: string
}

export type Request =
  | { id: number; ops: PackedOps }
  | { id: number; page: PageRequest }
  /** Moves what is in the write-ahead log to the database file. */
  | { id: number; checkpoint: true }
  /** Gives space of deleted records back to the pool. */
  | { id: number; shrink: true }
  | { id: number; count: true }
  /** The value of a catalog setting, or sets it first when there is none. */
  | { id: number; setting: { name: string; initial?: string } }
  | { id: number; close: true }

export interface Failure {
  code: string
  message: string
}

export type Response =
  | { id: number; answers: PackedList }
  | { id: number; page: PackedPage }
  | { id: number; value: string | number | undefined }
  | { id: number; failure: Failure }
