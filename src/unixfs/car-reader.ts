import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { BadCarError, TooLargeError } from '../errors.ts'
import type { Block } from './blocks.ts'

const headerBytesMax = 1024 * 1024
/** The longest multihash that a store takes, with version and codec before it. */
const cidBytesMax = 128 + 20
/** What every CARv2 begins with: a CARv1 header that says version 2. */
const pragmaV2 = Buffer.from('0aa16776657273696f6e02', 'hex')
const headerV2Bytes = 40

export interface CarLimits {
  blockBytesMax: number
}

export interface CarContent {
  roots: CID[]
  /** In the archive's order, not checked against their CIDs. */
  blocks: AsyncIterable<Block>
}

/** Reads a CAR of version 1 or 2 as it streams in, and believes no length that it states. */
export async function readCar(
  source: AsyncIterable<Uint8Array>,
  limits: CarLimits
): Promise<CarContent> {
  const input = new Input(source)
  let header = await readHeader(input)
  let end = Infinity
  if (header.version === 2) {
    const { dataOffset, dataBytes } = await readHeaderV2(input)
    await input.skip(dataOffset - pragmaV2.byteLength - headerV2Bytes)
    end = input.position + dataBytes
    header = await readHeader(input)
  }
  if (header.version !== 1) throw new BadCarError(`invalid car version: ${header.version}`)
  return { roots: header.roots, blocks: readBlocks(input, end, limits) }
}

async function* readBlocks(input: Input, end: number, limits: CarLimits): AsyncGenerator<Block> {
  const sectionBytesMax = limits.blockBytesMax + cidBytesMax
  while (input.position < end) {
    const length = await input.varint()
    if (length == null) return
    if (length === 0) throw new BadCarError('a section of the archive is empty')
    if (length > sectionBytesMax) {
      throw new TooLargeError(
        `a section of ${length} bytes is over the largest, ${sectionBytesMax} bytes`
      )
    }
    const section = await input.bytes(length)
    yield splitSection(section)
  }
}

function splitSection(section: Uint8Array): Block {
  try {
    const [cid, bytes] = CID.decodeFirst(section)
    return { cid, bytes }
  } catch (error) {
    throw new BadCarError(`invalid cid: ${String(error)}`)
  }
}

async function readHeader(input: Input): Promise<{ version: number; roots: CID[] }> {
  const length = await input.varint()
  if (length == null) throw new BadCarError('unexpected EOF')
  if (length === 0 || length > headerBytesMax) throw new BadCarError('invalid header length')
  const header = decodeHeader(await input.bytes(length))
  const { version, roots } = header as { version?: unknown; roots?: unknown }
  if (version === 2) return { version, roots: [] }
  if (typeof version !== 'number' || !Array.isArray(roots)) {
    throw new BadCarError('invalid header: no version and roots in it')
  }
  return { version, roots: roots.map(toCid) }
}

function decodeHeader(bytes: Uint8Array): unknown {
  try {
    return dagCbor.decode(bytes) ?? {}
  } catch (error) {
    throw new BadCarError(
      `invalid header: ${String(error instanceof Error ? error.message : error)}`
    )
  }
}

function toCid(value: unknown): CID {
  const cid = CID.asCID(value)
  if (cid == null) throw new BadCarError('invalid header: a root is no CID')
  return cid
}

async function readHeaderV2(input: Input): Promise<{ dataOffset: number; dataBytes: number }> {
  const bytes = Buffer.from(await input.bytes(headerV2Bytes))
  const dataOffset = Number(bytes.readBigUInt64LE(16))
  const dataBytes = Number(bytes.readBigUInt64LE(24))
  if (dataOffset < pragmaV2.byteLength + headerV2Bytes || !Number.isSafeInteger(dataOffset)) {
    throw new BadCarError(`invalid data offset: ${dataOffset}`)
  }
  return { dataOffset, dataBytes }
}

/** A stream of which exact numbers of bytes can be asked. */
class Input {
  readonly #source: AsyncIterator<Uint8Array>
  #held: Buffer = Buffer.alloc(0)
  position = 0

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** Undefined when the stream ends before it. */
  async varint(): Promise<number | undefined> {
    let result = 0
    for (let i = 0; i < 8; i++) {
      if (this.#held.byteLength === 0 && !(await this.#more())) {
        if (i === 0) return undefined
        throw new BadCarError('unexpected EOF')
      }
      const byte = this.#take(1)[0] as number
      result += (byte & 0x7f) * 2 ** (7 * i)
      if (byte < 0x80) return result
    }
    throw new BadCarError('varint is too long')
  }

  async bytes(length: number): Promise<Uint8Array> {
    const pieces: Buffer[] = []
    let missing = length
    while (missing > 0) {
      if (this.#held.byteLength === 0 && !(await this.#more())) {
        throw new BadCarError('unexpected EOF')
      }
      const piece = this.#take(Math.min(missing, this.#held.byteLength))
      pieces.push(piece)
      missing -= piece.byteLength
    }
    return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
  }

  async skip(length: number): Promise<void> {
    let left = length
    while (left > 0) {
      if (this.#held.byteLength === 0 && !(await this.#more())) {
        throw new BadCarError('unexpected EOF')
      }
      left -= this.#take(Math.min(left, this.#held.byteLength)).byteLength
    }
  }

  #take(length: number): Buffer {
    const taken = this.#held.subarray(0, length)
    this.#held = this.#held.subarray(length)
    this.position += length
    return taken
  }

  async #more(): Promise<boolean> {
    const step = await this.#source.next()
    if (step.done === true) return false
    this.#held = Buffer.from(step.value.buffer, step.value.byteOffset, step.value.byteLength)
    return this.#held.byteLength > 0 || this.#more()
  }
}
