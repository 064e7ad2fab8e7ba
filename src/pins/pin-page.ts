import { keyBytes } from './catalog.ts'
import { cidParts, isForeign, isNamed, pinnedSlots, type PinValue } from './pin-value.ts'
import { sha256Multihash } from './node.ts'
import type { BarePin, PinMode } from './types.ts'

/** Some of the catalog's pins, as they are there: an object for each would cost more than all else. */
export class PinPage {
  readonly #keys: Uint8Array
  readonly #values: Float64Array
  readonly #foreign: Map<number, Uint8Array | undefined>

  /** `foreign`: multihashes that are not sha2-256, by index. Pins of unknown ones are left out. */
  constructor(
    keys: Uint8Array,
    values: Float64Array,
    foreign: Map<number, Uint8Array | undefined>
  ) {
    this.#keys = keys
    this.#values = values
    this.#foreign = foreign
  }

  /** Those of one mode, or all. What `visit` is given is good until it is called again. */
  forEach(mode: PinMode | undefined, visit: (pin: BarePin) => void): void {
    const common = sha256Multihash(new Uint8Array(keyBytes))
    const pin: BarePin = { version: 1, codec: 0, multihash: common, mode: 'direct', isNamed: false }
    for (let i = 0; i < this.#values.length; i++) {
      const value = this.#values[i] as PinValue
      const multihash = isForeign(value) ? this.#foreign.get(i) : common
      if (multihash == null) continue
      if (multihash === common) {
        const at = i * keyBytes
        for (let byte = 0; byte < keyBytes; byte++) {
          common[2 + byte] = this.#keys[at + byte] as number
        }
      }
      pin.multihash = multihash
      for (const pinned of pinnedSlots(value)) {
        if (mode != null && pinned.mode !== mode) continue
        const { version, codec } = cidParts(pinned.slot)
        pin.version = version
        pin.codec = codec
        pin.mode = pinned.mode
        pin.isNamed = isNamed(value, pinned.slot)
        visit(pin)
      }
    }
  }
}
