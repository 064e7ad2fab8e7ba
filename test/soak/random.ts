/** A small seeded generator (mulberry32), so that a printed seed repeats a run. */
export class Random {
  private state: number

  constructor(seed: number) {
    this.state = seed >>> 0
  }

  /** From 0 up to, and without, 1. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let t = this.state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }

  below(count: number): number {
    return Math.floor(this.next() * count)
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    const words = new Uint32Array(bytes.buffer, 0, length >>> 2)
    for (let i = 0; i < words.length; i++) words[i] = this.next() * 4294967296
    for (let i = words.length * 4; i < length; i++) bytes[i] = this.below(256)
    return bytes
  }
}
