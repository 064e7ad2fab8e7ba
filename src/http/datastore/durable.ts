import { SyncGroup } from '../../stores/sync-group.ts'
import type { Stores } from './stores.ts'

/**
 * Makes what was acknowledged durable: one flush for all who wait, and none where nothing was
 * written since the last one (Kubo asks four times a pin, two of them with nothing to sync).
 */
export class Durable {
  readonly #group: SyncGroup
  #written = 0
  #onDisk = 0

  constructor(stores: Pick<Stores, 'flush'>) {
    this.#group = new SyncGroup(async () => {
      const written = this.#written
      await stores.flush()
      this.#onDisk = written
    })
  }

  /** To be called after a store has acknowledged a change, and when it may have made one. */
  wrote(): void {
    this.#written++
  }

  /** Resolves once every change told to `wrote` before this call is on disk. */
  async sync(): Promise<void> {
    if (this.#onDisk < this.#written) {
      await this.#group.wait()
    }
  }
}
