import type { PinPage } from '../../pins/pin-page.ts'
import type { BarePin, PinMode } from '../../pins/types.ts'
import { writeBase32Cid, writeBase58 } from '../../unixfs/cid-ascii.ts'
import { LineChunks } from './line-chunks.ts'

const start = Buffer.from('{"Cid":"')
const ends = {
  recursive: Buffer.from('","Type":"recursive"}\n'),
  direct: Buffer.from('","Type":"direct"}\n')
}
/** Of what is not the CID, and of version and codec in it. */
const frameBytesMax = 48

/** The lines of `pin/ls?stream=true`, as JSON would write them. */
export async function* pinLines(
  pages: AsyncIterable<PinPage>,
  mode: PinMode
): AsyncGenerator<Uint8Array> {
  const chunks = new LineChunks()
  for await (const page of pages) {
    page.forEach(mode, pin => writeLine(pin, chunks))
    yield* chunks.take()
  }
}

function writeLine({ version, codec, multihash, mode }: BarePin, chunks: LineChunks): void {
  chunks.room(frameBytesMax + 2 * multihash.length)
  chunks.text(start)
  const { bytes, used } = chunks
  chunks.used =
    version === 0
      ? writeBase58(multihash, bytes, used)
      : writeBase32Cid(codec, multihash, bytes, used)
  chunks.text(ends[mode])
}
