import { PoolInUseError } from '../errors.ts'

/** Folders and pools that this thread's repos hold: ZFS itself would open a pool twice for us. */
const held = new Set<string>()

/** PoolInUseError when it is held already. Gives what lets go of it. */
export function holdHere(what: string): () => void {
  if (held.has(what)) {
    throw new PoolInUseError(
      `${what} is open in this process (pid ${process.pid}) already: use that repo, or close it`
    )
  }
  held.add(what)
  return () => {
    held.delete(what)
  }
}
