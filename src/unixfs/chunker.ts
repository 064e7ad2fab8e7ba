/** Cuts a stream into chunks of exactly `size` bytes; the last may be shorter. Never empty ones. */
export async function* fixedChunks(
  source: AsyncIterable<Uint8Array>,
  size: number
): AsyncGenerator<Uint8Array> {
  let chunk: Uint8Array | undefined
  let filled = 0
  for await (const piece of source) {
    let offset = 0
    while (offset < piece.byteLength) {
      chunk ??= new Uint8Array(size)
      const take = Math.min(size - filled, piece.byteLength - offset)
      chunk.set(piece.subarray(offset, offset + take), filled)
      filled += take
      offset += take
      if (filled === size) {
        yield chunk
        chunk = undefined
        filled = 0
      }
    }
  }
  if (chunk != null) yield chunk.slice(0, filled)
}
