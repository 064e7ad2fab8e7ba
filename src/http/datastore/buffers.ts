const MIB = 1024 * 1024
/** Larger ones are rare, and are made anew. */
const LARGEST_BYTES = 16 * MIB
const KEPT_BYTES = 64 * MIB

/**
 * Buffers that are used again: fresh memory of this size comes page by page from the kernel, zeroed,
 * which costs more than filling it.
 */
export class Buffers {
  /** By size, a power of two. */
  readonly #kept = new Map<number, ArrayBufferLike[]>()
  #bytes = 0

  take(length: number): Buffer {
    const memory = this.#kept.get(sizeFor(length))?.pop()
    if (memory != null) {
      this.#bytes -= memory.byteLength
      return Buffer.from(memory, 0, length)
    }
    const size = length > LARGEST_BYTES ? length : sizeFor(length)
    return Buffer.allocUnsafeSlow(size).subarray(0, length)
  }

  give({ buffer }: Buffer): void {
    const size = buffer.byteLength
    if (size > LARGEST_BYTES || this.#bytes + size > KEPT_BYTES) {
      return
    }
    const kept = this.#kept.get(size) ?? []
    kept.push(buffer)
    this.#kept.set(size, kept)
    this.#bytes += size
  }
}

function sizeFor(length: number): number {
  return 2 ** Math.ceil(Math.log2(length))
}
