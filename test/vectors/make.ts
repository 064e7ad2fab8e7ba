/**
 * Makes `kubo-cids.json` with a real Kubo: `node test/vectors/make.ts <path of the ipfs binary>`.
 * It was made with Kubo 0.43.1.
 */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { cases, variants, type Input, type Vectors } from './content.ts'

const run = promisify(execFile)

async function write(root: string, inputs: Input[]): Promise<string> {
  for (const { path, kind, bytes, target } of inputs) {
    const full = join(root, path)
    await mkdir(dirname(full), { recursive: true })
    if (kind === 'folder') await mkdir(full, { recursive: true })
    else if (kind === 'symlink') await symlink(target ?? '', full)
    else await writeFile(full, bytes ?? new Uint8Array())
  }
  return join(root, inputs[0]?.path ?? '')
}

async function main(): Promise<void> {
  const ipfs = process.argv[2] ?? 'ipfs'
  const folder = await mkdtemp(join(tmpdir(), 'kubo-vectors-'))
  const env = { ...process.env, IPFS_PATH: join(folder, 'repo') }
  const vectors: Vectors = {}
  try {
    await run(ipfs, ['init', '--profile=test,pebbleds', '--empty-repo'], { env })
    for (const [i, { name, inputs }] of cases.entries()) {
      const path = await write(join(folder, String(i)), inputs())
      const lines: Vectors[string] = (vectors[name] = {})
      for (const [variant, options] of Object.entries(variants)) {
        const flags = Object.entries(options).map(([key, value]) => `--${key}=${value}`)
        const added = await run(ipfs, ['add', '-r', '-Q', '--pin=false', ...flags, path], { env })
        const cid = added.stdout.trim()
        const stat = await run(ipfs, ['files', 'stat', '--enc=json', `/ipfs/${cid}`], { env })
        const { CumulativeSize } = JSON.parse(stat.stdout) as { CumulativeSize: number }
        lines[variant] = { cid, size: String(CumulativeSize) }
      }
      console.error(`made: ${name}`)
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  const json = `${JSON.stringify(vectors, undefined, 2)}\n`
  await writeFile(new URL('./kubo-cids.json', import.meta.url), json)
}

await main()
