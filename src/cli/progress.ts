import type { Output } from './output.ts'
import { showBytes, showSeconds } from './units.ts'

/** `none`: what is counted means nothing to people. */
type Unit = 'bytes' | 'blocks' | 'none'

export interface Progress {
  add(amount: number): void
  set(done: number, total?: number): void
  /** Starts over with another label. */
  phase(label: string, unit: Unit): void
  stop(): void
}

export interface ProgressOptions {
  label: string
  /** Unknown at first or for ever: no bar, only how much and how fast. */
  total?: number | undefined
  unit?: Unit
  quiet?: boolean | undefined
}

const lineEveryMs = 10_000

/** A bar on a terminal, a line now and then elsewhere, nothing with `--json` or `--quiet`. */
export function startProgress(out: Output, options: ProgressOptions): Progress {
  const meter = new Meter(options)
  if (out.json || options.quiet === true) return silent(meter)
  return process.stderr.isTTY ? bar(meter, out) : lines(meter)
}

/** How far, how fast, how much longer. */
class Meter {
  label: string
  done = 0
  total: number | undefined
  #unit: Unit
  readonly #samples: Array<{ at: number; done: number }> = []

  constructor(options: ProgressOptions) {
    this.label = options.label
    this.total = options.total
    this.#unit = options.unit ?? 'bytes'
    this.#restart()
  }

  phase(label: string, unit: Unit): void {
    if (label === this.label) return
    this.label = label
    this.total = undefined
    this.#unit = unit
    this.#restart()
  }

  #restart(): void {
    this.done = 0
    this.#samples.splice(0, Infinity, { at: performance.now(), done: 0 })
  }

  show(width: number): string {
    if (this.#unit === 'none') return `${this.label} …`
    const rate = this.#rate()
    const figures = [`${this.#amount(this.done)}`]
    const { total } = this
    if (total != null) figures[0] += ` of ${this.#amount(total)}`
    if (rate > 0) figures.push(`${this.#amount(rate)}/s`)
    if (rate > 0 && total != null && this.done < total) {
      figures.push(`${showSeconds((total - this.done) / rate)} left`)
    }
    return `${this.label} ${drawBar(this.done, total, width)}${figures.join(', ')}`
  }

  #amount(amount: number): string {
    if (this.#unit === 'bytes') return showBytes(amount)
    return `${Math.round(amount).toLocaleString('en-US')} blocks`
  }

  /** Over the last five seconds. */
  #rate(): number {
    const now = performance.now()
    const samples = this.#samples
    if (now - (samples.at(-1)?.at ?? 0) >= 200) samples.push({ at: now, done: this.done })
    while (samples.length > 2 && now - (samples[1]?.at ?? now) > 5000) samples.shift()
    const first = samples[0]
    if (first == null || now - first.at < 200) return 0
    return ((this.done - first.done) * 1000) / (now - first.at)
  }
}

function drawBar(done: number, total: number | undefined, width: number): string {
  if (total == null || width === 0) return ''
  const part = total === 0 ? 1 : Math.min(1, done / total)
  const full = Math.round(part * width)
  const percent = String(Math.floor(part * 100)).padStart(3)
  return `[${'█'.repeat(full)}${'░'.repeat(width - full)}] ${percent}%  `
}

function controls(meter: Meter, stop: () => void): Progress {
  return {
    add: amount => void (meter.done += amount),
    set: (done, total) => {
      meter.done = done
      if (total != null) meter.total = total
    },
    phase: (label, unit) => meter.phase(label, unit),
    stop
  }
}

function silent(meter: Meter): Progress {
  return controls(meter, () => {})
}

function lines(meter: Meter): Progress {
  const timer = setInterval(() => process.stderr.write(meter.show(0) + '\n'), lineEveryMs)
  timer.unref()
  return controls(meter, () => clearInterval(timer))
}

/**
 * Ours, not cli-progress: that one puts the cursor back where it stood at the start, over whatever
 * was printed since.
 */
function bar(meter: Meter, out: Output): Progress {
  const { stderr } = process
  const clear = () => stderr.write('\r\u001b[K')
  const draw = () => {
    const columns = stderr.columns ?? 80
    const width = columns >= 100 ? 30 : columns >= 70 ? 16 : 0
    stderr.write(`\r${meter.show(width).slice(0, columns - 1)}\u001b[K`)
  }
  const restoreCursor = () => void stderr.write('\u001b[?25h')
  stderr.write('\u001b[?25l')
  process.once('exit', restoreCursor)
  out.beforeText = clear
  draw()
  const timer = setInterval(draw, 100)
  return controls(meter, () => {
    clearInterval(timer)
    out.beforeText = undefined
    process.off('exit', restoreCursor)
    clear()
    restoreCursor()
  })
}
