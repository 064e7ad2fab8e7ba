/** Cuts a stream into chunks of exactly `size` bytes; the last may be shorter. Never empty ones. */
export async function* fixedChunks(
  source: AsyncIterable<Uint8Array>,
  size: number
): AsyncGenerator<Uint8Array> {
  let pieces: Uint8Array[] = []
  let held = 0
  for await (const piece of source) {
    for (let offset = 0; offset < piece.byteLength;) {
      const part = piece.subarray(offset, offset + size - held)
      pieces.push(part)
      held += part.byteLength
      offset += part.byteLength
      if (held < size) continue
      yield joined(pieces, held)
      pieces = []
      held = 0
    }
  }
  if (held > 0) yield joined(pieces, held)
}

/** A buffer of just this size: most files are small, and blocks are kept until they are stored. */
function joined(pieces: Uint8Array[], length: number): Uint8Array {
  const chunk = new Uint8Array(length)
  let offset = 0
  for (const piece of pieces) {
    chunk.set(piece, offset)
    offset += piece.byteLength
  }
  return chunk
}
