import { isDeepStrictEqual } from 'node:util'

/** A JSON object, as deep as another program's configuration is. */
export interface JsonObject {
  [name: string]: unknown
}

/** One setting of another program, and why ZFS wants it so. */
export interface Setting {
  /** Names from the outside in, with dots between. */
  path: string
  value: unknown
  why: string
}

export interface Change extends Setting {
  /** Undefined: it was not set. */
  before: unknown
}

/** What differs from the settings. */
export function changesOf(config: JsonObject, settings: Setting[]): Change[] {
  return settings
    .map(setting => ({ ...setting, before: valueAt(config, setting.path) }))
    .filter(({ before, value }) => !isDeepStrictEqual(before, value))
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value != null && !Array.isArray(value)
}

export function valueAt(config: JsonObject, path: string): unknown {
  let at: unknown = config
  for (const name of path.split('.')) {
    at = isObject(at) ? at[name] : undefined
  }
  return at
}

export function setAt(config: JsonObject, path: string, value: unknown): void {
  const names = path.split('.')
  const last = names.pop() as string
  let at = config
  for (const name of names) {
    const child = at[name]
    if (isObject(child)) {
      at = child
    } else {
      at = at[name] = {} as JsonObject
    }
  }
  at[last] = value
}
