/** chai as the conformance suites of the JS stores want it: promises, and `.to.be.true()`. */
import chai from 'chai'
import promised from 'chai-as-promised'
import parentheses from 'chai-parentheses'

// In this order, or `.to.be.rejected.with.property(…)` looks at the promise itself.
chai.use(promised)
chai.use(parentheses)

export const { expect, assert } = chai
