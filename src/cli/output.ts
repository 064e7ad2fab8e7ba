import { once } from 'node:events'
import type { Writable } from 'node:stream'

/**
 * What a command says on standard output: text for people, or with `--json` one object a line.
 * Standard error is for progress and failures only, so that a pipe never sees either.
 */
export class Output {
  readonly json: boolean
  /** Takes the progress bar out of the way of a line of text. */
  beforeText: (() => void) | undefined
  readonly #stream: Writable

  constructor(json: boolean, stream: Writable = process.stdout) {
    this.json = json
    this.#stream = stream
  }

  /** The value with `--json`, else the text. */
  async show(value: object, text: string): Promise<void> {
    await this.#line(this.json ? JSON.stringify(value) : text)
  }

  /** Nothing with `--json`. */
  async text(text: string): Promise<void> {
    if (!this.json) await this.#line(text)
  }

  /** Raw bytes, whatever `--json` says. */
  async bytes(chunk: Uint8Array | string): Promise<void> {
    if (this.#stream.errored != null) throw this.#stream.errored
    if (!this.#stream.write(chunk)) await once(this.#stream, 'drain')
  }

  async #line(line: string): Promise<void> {
    this.beforeText?.()
    await this.bytes(line + '\n')
  }
}
