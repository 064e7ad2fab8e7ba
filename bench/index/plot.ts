/**
 * Draws what a key costs against how many keys there are, one picture for inserts and one for
 * lookups: `node bench/index/plot.ts results.json [folder]` writes index-insert.svg, index-hit.svg
 * and index-miss.svg (default folder: docs/img). Both axes are logarithmic. A contender whose inserts
 * the time limit stopped stands where it stopped, as a ring.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Results } from './main.ts'

const width = 720
const height = 420
const margin = { left: 70, right: 150, top: 50, bottom: 50 }
const colours = ['#0072b2', '#56b4e9', '#d55e00', '#009e73', '#cc79a7', '#999999']
const pictures = [
  ['insert, settled', 'index-insert', 'Insert, merges included'],
  ['get hit', 'index-hit', 'Lookup of a key that is there, in memory'],
  ['get miss', 'index-miss', 'Lookup of a key that is not there']
] as const

interface Point {
  keys: number
  cost: number
  stopped: boolean
}

function seriesOf(results: Results, row: string): Map<string, Point[]> {
  const series = new Map<string, Point[]>()
  for (const [keys, contenders] of Object.entries(results)) {
    for (const [name, measured] of Object.entries(contenders)) {
      const cell =
        measured.rows[row] ?? (row === 'insert, settled' ? measured.rows['insert'] : null)
      if (cell == null) continue
      const points = series.get(name) ?? []
      const stopped = measured.keys < Number(keys)
      points.push({ keys: measured.keys, cost: cell.cpuMicroseconds, stopped })
      series.set(name, points)
    }
  }
  return series
}

/** Whole powers of ten around the values. */
function decades(values: number[]): [number, number] {
  return [
    Math.floor(Math.log10(Math.min(...values))),
    Math.ceil(Math.log10(Math.max(...values)) + 1e-9)
  ]
}

function draw(title: string, series: Map<string, Point[]>): string {
  const points = [...series.values()].flat()
  const [x0, x1] = decades(points.map(point => point.keys))
  const [y0, y1] = decades(points.map(point => point.cost))
  const right = width - margin.right
  const bottom = height - margin.bottom
  const x = (keys: number): number =>
    margin.left + ((Math.log10(keys) - x0) / Math.max(1, x1 - x0)) * (right - margin.left)
  const y = (cost: number): number =>
    bottom - ((Math.log10(cost) - y0) / Math.max(1, y1 - y0)) * (bottom - margin.top)
  const text = (at: string, content: string): string => `<text ${at}>${content}</text>`
  const parts = [
    `<rect width="${width}" height="${height}" fill="white"/>`,
    text(`x="${margin.left}" y="28" font-size="16" font-weight="bold"`, title),
    text(`x="${margin.left}" y="${margin.top - 6}" fill="#555"`, 'µs of processor time a key')
  ]
  for (let power = x0; power <= x1; power++) {
    const at = x(10 ** power)
    parts.push(
      `<line x1="${at}" y1="${margin.top}" x2="${at}" y2="${bottom}" stroke="#ddd"/>`,
      text(`x="${at}" y="${bottom + 20}" text-anchor="middle"`, `10^${power}`)
    )
  }
  for (let power = y0; power <= y1; power++) {
    const at = y(10 ** power)
    parts.push(
      `<line x1="${margin.left}" y1="${at}" x2="${right}" y2="${at}" stroke="#ddd"/>`,
      text(`x="${margin.left - 8}" y="${at + 4}" text-anchor="end"`, String(10 ** power))
    )
  }
  parts.push(
    text(`x="${(margin.left + right) / 2}" y="${height - 8}" text-anchor="middle"`, 'keys')
  )
  ;[...series].forEach(([name, line], at) => {
    const colour = colours[at % colours.length]
    const path = line.map(point => [x(point.keys).toFixed(1), y(point.cost).toFixed(1)])
    parts.push(
      `<polyline points="${path.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      ...path.map(([cx, cy], point) => {
        const fill = line[point]?.stopped === true ? 'white' : colour
        return `<circle cx="${cx}" cy="${cy}" r="4" stroke="${colour}" fill="${fill}"/>`
      }),
      text(`x="${right + 12}" y="${margin.top + 14 + at * 20}" fill="${colour}"`, name)
    )
  })
  if (points.some(point => point.stopped)) {
    const at = `x="${right + 12}" y="${bottom}" fill="#555"`
    parts.push(text(at, '○ stopped by the limit'))
  }
  const size = `viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"`
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="sans-serif" font-size="12">\n` +
    `${parts.join('\n')}\n</svg>\n`
  )
}

const [file, folder = join(import.meta.dirname, '../../docs/img')] = process.argv.slice(2)
if (file == null) throw new Error('usage: plot.ts results.json [folder]')
const results = JSON.parse(readFileSync(file, 'utf8')) as Results
mkdirSync(folder, { recursive: true })
for (const [row, name, title] of pictures) {
  writeFileSync(join(folder, `${name}.svg`), draw(title, seriesOf(results, row)))
}
