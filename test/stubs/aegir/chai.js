/** chai as the conformance suites of the JS stores want it: promises, and `.to.be.true()`. */
import chai from 'chai'
import promised from 'chai-as-promised'
import parentheses from 'chai-parentheses'

chai.use(parentheses)
chai.use(promised)

export const { expect, assert } = chai
