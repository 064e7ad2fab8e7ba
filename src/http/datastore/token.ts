import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { RequestError } from './failure.ts'

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** Makes a check of `Authorization: Bearer TOKEN`; without a token everybody passes. */
export function tokenCheck(token: string | undefined): (request: IncomingMessage) => void {
  if (token == null) {
    return () => {}
  }
  const wanted = digest(token)
  return ({ headers: { authorization } }) => {
    const [, given] = /^Bearer +(\S+) *$/i.exec(authorization ?? '') ?? []
    if (given == null || !timingSafeEqual(digest(given), wanted)) {
      const what = given == null ? 'a token is needed' : 'the token is wrong'
      const how = 'send Authorization: Bearer TOKEN'
      throw new RequestError(401, 'ERR_UNAUTHORIZED', `${what}: ${how}`)
    }
  }
}
