/**
 * The conformance suites of the JS stores are written for mocha: describe, it and hooks are
 * globals. This gives them those, over uvu. Import it before the suites, and call `runAll` after.
 */
import { suite } from './suite.ts'

type Work = (this: { timeout: (ms: number) => void }) => unknown

interface Group {
  name: string
  tests: ReturnType<typeof suite>
  parent: Group | undefined
  hooks: Record<'before' | 'after' | 'beforeEach' | 'afterEach', Work[]>
  size: number
}

const context = { timeout: (): void => {} }
const groups: Group[] = []
let current: Group | undefined

function describe(name: string, define: () => void): void {
  const parent = current
  const fullName = parent == null ? name : `${parent.name} ${name}`
  const hooks = { before: [], after: [], beforeEach: [], afterEach: [] }
  current = { name: fullName, tests: suite(fullName), parent, hooks, size: 0 }
  groups.push(current)
  define()
  current = parent
}

function it(name: string, work: Work): void {
  const group = current
  if (group == null) {
    throw new Error(`it('${name}') is outside of any describe`)
  }
  group.size++
  group.tests(name, async () => {
    await work.call(context)
  })
}

function hook(kind: keyof Group['hooks']): (work: Work) => void {
  return work => current?.hooks[kind].push(work)
}

/** Outer hooks first. */
function hooksOf(group: Group | undefined, kind: keyof Group['hooks']): Work[] {
  return group == null ? [] : [...hooksOf(group.parent, kind), ...group.hooks[kind]]
}

/** Runs all that was described. A group without tests of its own is no suite. */
export function runAll(): void {
  for (const group of groups.filter(({ size }) => size > 0)) {
    const { tests } = group
    const call = (work: Work) => async (): Promise<void> => {
      await work.call(context)
    }
    hooksOf(group, 'before').forEach(work => tests.before(call(work)))
    hooksOf(group, 'beforeEach').forEach(work => tests.before.each(call(work)))
    hooksOf(group, 'afterEach').forEach(work => tests.after.each(call(work)))
    hooksOf(group, 'after').forEach(work => tests.after(call(work)))
    tests.run()
  }
}

declare global {
  // Only what this project calls itself; the suites bring their own types.
  var describe: (name: string, define: () => void) => void
}

Object.assign(globalThis, {
  describe,
  it,
  before: hook('before'),
  after: hook('after'),
  beforeEach: hook('beforeEach'),
  afterEach: hook('afterEach')
})
