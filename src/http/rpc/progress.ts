/**
 * Runs something that reports its progress by callback as a stream. Reports that nobody took in
 * time are lost but for the newest. Yields reports, returns the result.
 */
export async function* withProgress<P, T>(
  start: (report: (progress: P) => void) => Promise<T>
): AsyncGenerator<P, T> {
  let newest: P | undefined
  let wake: (() => void) | undefined
  const work = start(progress => {
    newest = progress
    wake?.()
  })
  const outcome = work.then(
    result => ({ result }),
    (error: unknown) => ({ error })
  )
  for (;;) {
    const reported = new Promise<undefined>(resolve => {
      wake = () => resolve(undefined)
      if (newest != null) resolve(undefined)
    })
    const ended = await Promise.race([outcome, reported])
    const progress = newest
    newest = undefined
    if (progress != null) yield progress
    if (ended == null) continue
    if ('error' in ended) throw ended.error
    return ended.result
  }
}
