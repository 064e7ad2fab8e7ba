import { InvalidParametersError } from '../errors.ts'

const steps = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB']

/** `1.5 MiB`: three figures at most, as `zpool list` prints. */
export function showBytes(bytes: number): string {
  let value = bytes
  let step = 0
  while (value >= 1023.5 && step < steps.length - 1) {
    value /= 1024
    step += 1
  }
  const digits = step === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
  return `${value.toFixed(digits)} ${steps[step]}`
}

/** `10G`, `10GiB`, `512M`, `1048576`: powers of 1024; `10GB`: powers of 1000. */
export function parseBytes(text: string): number {
  const found = /^(\d+(?:\.\d+)?)\s*(?:([KMGTPE])(i?B)?|B)?$/i.exec(text.trim())
  if (found == null) {
    throw new InvalidParametersError(`"${text}" is not a size; write for example 512M or 10G`)
  }
  const [, figure = '', letter, unit] = found
  const base = unit?.toLowerCase() === 'b' ? 1000 : 1024
  const power = letter == null ? 0 : 'KMGTPE'.indexOf(letter.toUpperCase()) + 1
  return Math.round(Number(figure) * base ** power)
}

/** `3s`, `2m10s`, `1h05m`. */
export function showSeconds(seconds: number): string {
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole}s`
  const two = (value: number) => String(value).padStart(2, '0')
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`
  return `${Math.floor(whole / 3600)}h${two(Math.floor((whole % 3600) / 60))}m`
}

export function showCount(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`
}
