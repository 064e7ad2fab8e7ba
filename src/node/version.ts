import { readFileSync } from 'node:fs'

// the same place from src/node and from dist/node
const packageJson: unknown = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
)

export const version = String((packageJson as { version?: unknown }).version)
/** What other peers see. */
export const agentVersion = `ipfs-zfs/${version}`
