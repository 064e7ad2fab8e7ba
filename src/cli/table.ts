export type Align = 'left' | 'right'

/** Columns as wide as their widest cell; the last one is not padded. */
export function table(head: string[], rows: string[][], align: Align[] = []): string {
  const all = [head, ...rows]
  const widths = head.map((_, at) => Math.max(...all.map(row => width(row[at] ?? ''))))
  return all
    .map(row =>
      row
        .map((cell, at) => pad(cell, at))
        .join('  ')
        .trimEnd()
    )
    .join('\n')

  function pad(cell: string, at: number): string {
    const space = ' '.repeat((widths[at] ?? 0) - width(cell))
    return align[at] === 'right' ? space + cell : cell + space
  }
}

/** `name   value` lines. */
export function fields(pairs: Array<[name: string, value: string]>): string {
  const widest = Math.max(...pairs.map(([name]) => name.length))
  return pairs.map(([name, value]) => `${name.padEnd(widest)}  ${value}`).join('\n')
}

function width(text: string): number {
  return [...text].length
}

/** A name from a DAG must not send control codes to a terminal. */
export function printable(name: string): string {
  return name.replace(
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    found => {
      return `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`
    }
  )
}
