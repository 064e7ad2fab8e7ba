import { durationMs } from '../../duration.ts'
import { BadRequestError } from './errors.ts'

export type OptionType = 'bool' | 'int' | 'int64' | 'string' | 'strings'

export interface OptionSpec {
  /** The name, and Kubo's short names for it. */
  names: [string, ...string[]]
  type: OptionType
}

const spec =
  (type: OptionType) =>
  (...names: [string, ...string[]]): OptionSpec => ({ names, type })

export const bool = spec('bool')
export const int = spec('int')
export const int64 = spec('int64')
export const text = spec('string')

/** The options that every command takes. */
export const globalOptions: OptionSpec[] = [
  text('encoding', 'enc'),
  text('timeout'),
  bool('stream-channels'),
  bool('offline'),
  text('cid-base'),
  bool('upgrade-cidv0-in-output')
]

type Value = boolean | number | string

/** The options of one request, converted as Kubo converts them. Unknown ones are left out. */
export class Options {
  readonly #values = new Map<string, Value>()

  constructor(query: URLSearchParams, specs: OptionSpec[]) {
    for (const { names, type } of specs) {
      const given = names.flatMap(name => query.getAll(name))
      const [first, second] = given
      const name = names[0]
      if (first == null) continue
      if (second != null) {
        throw new BadRequestError(
          `expected key ${name} to have only a single value, received [${given.join(' ')}]`
        )
      }
      this.#values.set(name, convert(name, type, first))
    }
  }

  has(name: string): boolean {
    return this.#values.has(name)
  }

  bool(name: string, otherwise = false): boolean {
    const found = this.#values.get(name)
    return typeof found === 'boolean' ? found : otherwise
  }

  number(name: string): number | undefined {
    const found = this.#values.get(name)
    return typeof found === 'number' ? found : undefined
  }

  text(name: string): string | undefined {
    const found = this.#values.get(name)
    return typeof found === 'string' ? found : undefined
  }
}

function convert(name: string, type: OptionType, given: string): Value {
  const converted = type === 'bool' ? toBool(given) : isInt(type) ? toInt(given, type) : given
  if (converted !== undefined) return converted
  throw new BadRequestError(
    `could not convert value ${JSON.stringify(given)} to type "${type}" (for option "-${name}")`
  )
}

function isInt(type: OptionType): type is 'int' | 'int64' {
  return type === 'int' || type === 'int64'
}

function toBool(given: string): boolean | undefined {
  if (['', '1', 't', 'true'].includes(given.toLowerCase())) return true
  return ['0', 'f', 'false'].includes(given.toLowerCase()) ? false : undefined
}

/** Go's base 0: a prefix chooses hex, octal or binary. */
function toInt(given: string, type: 'int' | 'int64'): number | undefined {
  const match = /^([+-]?)(0x[0-9a-f]+|0b[01]+|0o?[0-7]+|\d+)$/i.exec(given)
  if (match == null) return undefined
  const digits = (match[2] ?? '').replace(/^0(?=[0-7])/, '0o')
  const number = Number(digits) * (match[1] === '-' ? -1 : 1)
  const limit = type === 'int' ? 2 ** 31 - 1 : Number.MAX_SAFE_INTEGER
  return Math.abs(number) <= limit ? number : undefined
}

/** Go's durations, `1m30s`, in milliseconds. */
export function parseDuration(given: string): number {
  const ms = durationMs(given)
  if (ms != null) return ms
  throw new BadRequestError(`time: invalid duration ${JSON.stringify(given)}`)
}
