/** One at a time, in the order of asking. */
export class Steps {
  #last: Promise<unknown> = Promise.resolve()

  async run<T>(step: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(step)
    this.#last = mine.catch(() => {})
    return mine
  }
}
