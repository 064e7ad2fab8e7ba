import type { BarePin } from '../../pins/types.ts'
import { writeBase32, writeBase58 } from '../../unixfs/cid-ascii.ts'

const start = Buffer.from('{"Cid":"')
const ends = {
  recursive: Buffer.from('","Type":"recursive"}\n'),
  direct: Buffer.from('","Type":"direct"}\n')
}
/** Of what is not the CID, and of version and codec in it. */
const frameBytesMax = 48

/** The lines of `pin/ls?stream=true`, as JSON would write them: a page of pins is a chunk. */
export async function* pinLines(pages: AsyncIterable<BarePin[]>): AsyncGenerator<Uint8Array> {
  for await (const page of pages) {
    if (page.length === 0) continue
    let bytesMax = 0
    for (const { multihash } of page) bytesMax += frameBytesMax + 2 * multihash.length
    const chunk = Buffer.allocUnsafe(bytesMax)
    let used = 0
    for (const pin of page) used = writeLine(pin, chunk, used)
    yield chunk.subarray(0, used)
  }
}

function writeLine({ version, codec, multihash, mode }: BarePin, out: Buffer, at: number): number {
  out.set(start, at)
  at += start.length
  if (version === 0) {
    at = writeBase58(multihash, out, at)
  } else {
    out[at++] = 0x62 // b: multibase's base32
    at = writeBase32(cidBytes(codec, multihash), out, at)
  }
  out.set(ends[mode], at)
  return at + ends[mode].length
}

let cid = new Uint8Array(64)

/** Of version 1. Good until the next call. */
function cidBytes(codec: number, multihash: Uint8Array): Uint8Array {
  const needed = 3 + multihash.length
  if (cid.length < needed) cid = new Uint8Array(needed)
  cid[0] = 1
  let at = 1
  // a varint; those of pins have one or two bytes
  if (codec < 0x80) cid[at++] = codec
  else {
    cid[at++] = (codec & 0x7f) | 0x80
    cid[at++] = codec >> 7
  }
  cid.set(multihash, at)
  return cid.subarray(0, at + multihash.length)
}
