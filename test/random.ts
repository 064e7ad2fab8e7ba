/** Random but repeatable: the seed is printed, and `SEED=…` in the environment sets it. */

export class Random {
  readonly seed: number
  #state: number

  constructor(what: string, seed?: number) {
    this.seed = seed ?? Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
    this.#state = this.seed
    console.log(`${what}: SEED=${this.seed}`)
  }

  /** An integer from 0 up to but without `below` (mulberry32). */
  int(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below)
  }

  bytes(length: number): Uint8Array {
    const words = new Uint32Array(Math.ceil(length / 4))
    for (let i = 0; i < words.length; i++) words[i] = this.int(2 ** 32)
    return new Uint8Array(words.buffer, 0, length)
  }

  pick<T>(items: readonly T[]): T {
    return items[this.int(items.length)] as T
  }
}
