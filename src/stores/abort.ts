import type { AbortOptions } from 'abort-error'

/**
 * `promise`, or a rejection with the signal's reason as soon as it is aborted. The work behind the
 * promise goes on; its outcome is dropped.
 */
export async function orAbort<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (signal == null) {
    return promise
  }
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason)
  if (signal.aborted) {
    promise.catch(() => {})
    throw signal.reason
  }
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** Throws the signal's reason when it is aborted already. */
export function throwIfAborted(options?: AbortOptions): void {
  options?.signal?.throwIfAborted()
}
