import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { KuboCommandError } from './errors.ts'

export interface RunOptions {
  env: Record<string, string | undefined>
  signal?: AbortSignal
  /** Each line of standard output. */
  onLine?: (line: string) => void
}

/** Runs a program to its end. When it fails, what it said on standard error is the message. */
export async function runProgram(
  program: string,
  args: string[],
  { env, signal, onLine }: RunOptions
): Promise<void> {
  const child = spawn(program, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(signal != null && { signal })
  })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4096)))
  const lines = createInterface({ input: child.stdout })
  lines.on('line', line => onLine?.(line))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  if (code !== 0) {
    throw new KuboCommandError(said.trim() === '' ? `${program} ended with ${code}` : said.trim())
  }
}
