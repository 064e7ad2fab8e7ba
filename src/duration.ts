const unitMs: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000
}

/** A duration as Go writes it, `1m30s` or `0`, in milliseconds; undefined: it is none. */
export function durationMs(text: string): number | undefined {
  if (text === '0') return 0
  const parts = [...text.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)/g)]
  if (parts.length === 0 || parts.map(part => part[0]).join('') !== text) return undefined
  let ms = 0
  for (const [, number, unit = ''] of parts) ms += Number(number) * (unitMs[unit] ?? 0)
  return ms
}
