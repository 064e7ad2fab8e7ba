import { suite as uvuSuite, type Callback, type Context, type Test } from 'uvu'

/**
 * A suite of uvu that fails when a `before` hook does. uvu's own says nothing of what the hook threw,
 * and the process ends with 0, having run none of the tests.
 */
export function suite<T = Context>(name: string): Test<T> {
  const test = uvuSuite<T>(name)
  const hooks = test.before
  const before = (hook: Callback<T>): void => hooks(loud(name, hook))
  test.before = Object.assign(before, hooks)
  return test
}

function loud<T>(name: string, hook: Callback<T>): Callback<T> {
  return async context => {
    try {
      await hook(context)
    } catch (error) {
      console.error(`${name}: no test was run, since what comes before them failed:`, error)
      // uvu sets the exit code at its own end
      process.once('exit', () => (process.exitCode = 1))
      throw error
    }
  }
}
