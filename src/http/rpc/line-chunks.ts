/** Sent together: large enough that a chunk costs nothing beside its lines. */
const chunkBytes = 128 * 1024

/** Lines written one behind the other, cut into chunks between two of them. */
export class LineChunks {
  /** The next line goes here, */
  bytes = Buffer.allocUnsafe(chunkBytes)
  /** from here on. */
  used = 0
  #full: Uint8Array[] = []

  /** Makes room for a line of at most so many bytes. */
  room(bytesMax: number): void {
    if (this.used + bytesMax <= this.bytes.length) return
    if (this.used > 0) this.#full.push(this.bytes.subarray(0, this.used))
    this.bytes = Buffer.allocUnsafe(Math.max(chunkBytes, bytesMax))
    this.used = 0
  }

  /** For which there must be room. */
  text(ascii: Uint8Array): void {
    // for so few bytes a loop is quicker than `set`
    for (let i = 0; i < ascii.length; i++) this.bytes[this.used + i] = ascii[i] as number
    this.used += ascii.length
  }

  /** What was written since the last time. */
  take(): Uint8Array[] {
    const chunks = this.#full
    if (this.used > 0) chunks.push(this.bytes.subarray(0, this.used))
    // what was given away is not written to again
    this.bytes = this.bytes.subarray(this.used)
    this.used = 0
    this.#full = []
    return chunks
  }
}
