import { InvalidParametersError } from '../errors.ts'
import { ENGINES, type Engine } from '../native.ts'

/** Environment variable that says which engine opens repos, when the caller does not. */
export const ENGINE_VARIABLE = 'IPFS_ZFS_ENGINE'

/** Who was asked: the caller, the environment, what the repo says. */
export function chosenEngine(asked: Engine | undefined, stored: Engine): Engine {
  return checkEngine(asked ?? fromEnvironment() ?? stored)
}

export function checkEngine(engine: unknown): Engine {
  const known = ENGINES.find(name => name === engine)
  if (known == null) {
    throw new InvalidParametersError(`"${String(engine)}" is no engine: ${ENGINES.join(', ')}`)
  }
  return known
}

function fromEnvironment(): Engine | undefined {
  const text = process.env[ENGINE_VARIABLE]
  return text == null || text === '' ? undefined : checkEngine(text)
}
