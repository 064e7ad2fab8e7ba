import type { ServerResponse } from 'node:http'

/** Waits while the client takes no more, so that a slow one costs no memory. */
export async function write(
  response: ServerResponse,
  chunk: Uint8Array | string,
  signal: AbortSignal
): Promise<void> {
  signal.throwIfAborted()
  if (response.write(chunk)) return
  await new Promise<void>((resolve, reject) => {
    const settle = () => {
      response.off('drain', settle)
      signal.removeEventListener('abort', settle)
      if (signal.aborted) reject(signal.reason as Error)
      else resolve()
    }
    response.once('drain', settle)
    signal.addEventListener('abort', settle, { once: true })
  })
}

/** Node gives a message each write; many small ones are better sent together. */
export const writeBytes = 64 * 1024
