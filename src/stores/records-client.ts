import { Worker } from 'node:worker_threads'
import { ClosedError, DeviceError, fromNative } from '../errors.ts'
import { packOps, unpackAnswers } from './records-wire.ts'
import type {
  PackedPage,
  PageRequest,
  RecordAnswer,
  RecordOp,
  RecordsSetUp,
  Request,
  Response
} from './records-wire.ts'

type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never

interface Waiting {
  resolve: (response: Response) => void
  reject: (error: Error) => void
}

/** Compiled, this file is JavaScript and so is the worker's. */
const WORKER = new URL(
  import.meta.url.endsWith('.ts') ? './records-worker.ts' : './records-worker.js',
  import.meta.url
)

/**
 * The main thread's side of a records worker. Requests are answered in the order in which they
 * were made. When the worker dies, all that waits is rejected, and so is what comes after.
 */
export class RecordsClient {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  readonly #exited: Promise<void>
  #lastId = 0
  #dead: Error | undefined

  private constructor(setUp: RecordsSetUp) {
    // The caller's own flags (`--input-type`, say) may not fit a worker's file.
    const options = { workerData: setUp, name: 'ipfs-zfs records', execArgv: [] }
    this.#worker = new Worker(WORKER, options)
    this.#worker.on('message', (response: Response) => this.#receive(response))
    this.#worker.on('error', (error: Error) => this.#die(error.message))
    this.#exited = new Promise(resolve => {
      this.#worker.on('exit', code => {
        this.#die(`it exited with code ${code}`)
        resolve()
      })
    })
  }

  /** Opens the databases, making them when they are missing. */
  static async open(setUp: RecordsSetUp): Promise<RecordsClient> {
    const client = new RecordsClient(setUp)
    try {
      await client.#wait(0)
      return client
    } catch (error) {
      await client.#worker.terminate()
      throw error
    }
  }

  /** One answer for each op. Unbroken rows of changes are one transaction each. */
  async run(ops: RecordOp[]): Promise<RecordAnswer[]> {
    const packed = packOps(ops)
    const response = await this.#ask({ ops: packed }, [packed.data])
    if (!('answers' in response)) {
      throw unexpected(response)
    }
    return unpackAnswers(response.answers)
  }

  async page(request: PageRequest): Promise<PackedPage> {
    const response = await this.#ask({ page: request })
    if (!('page' in response)) {
      throw unexpected(response)
    }
    return response.page
  }

  /** How many records there are; exact, and without reading them. */
  async count(): Promise<number> {
    return Number(this.#valueOf(await this.#ask({ count: true })))
  }

  /** A setting of the catalog; when it is missing and `initial` is given, it is set. */
  async setting(name: string, initial?: string): Promise<string | undefined> {
    const setting = initial == null ? { name } : { name, initial }
    const value = this.#valueOf(await this.#ask({ setting }))
    return value == null ? undefined : String(value)
  }

  /** Moves what the databases have in their logs to their files. */
  async checkpoint(): Promise<void> {
    await this.#ask({ checkpoint: true })
  }

  /** Gives the space of deleted records back to the pool. */
  async shrink(): Promise<void> {
    await this.#ask({ shrink: true })
  }

  /** Finishes what was asked before, closes the databases and ends the worker. Idempotent. */
  async close(): Promise<void> {
    if (this.#dead == null) {
      const closing = this.#ask({ close: true })
      this.#dead = new ClosedError('the keyed records are closed')
      await closing
    }
    await this.#exited
  }

  async #ask(request: WithoutId<Request>, transfer: ArrayBuffer[] = []): Promise<Response> {
    if (this.#dead != null) {
      throw this.#dead
    }
    const id = ++this.#lastId
    this.#worker.postMessage({ ...request, id }, transfer)
    return this.#wait(id)
  }

  async #wait(id: number): Promise<Response> {
    const { promise, resolve, reject } = Promise.withResolvers<Response>()
    this.#waiting.set(id, { resolve, reject })
    return promise
  }

  #receive(response: Response): void {
    const waiting = this.#waiting.get(response.id)
    this.#waiting.delete(response.id)
    if ('failure' in response) {
      waiting?.reject(fromNative(response.failure.code, response.failure.message))
    } else {
      waiting?.resolve(response)
    }
  }

  #die(why: string): void {
    this.#dead ??= new DeviceError(
      `the worker of the keyed records died: ${why}; open the repo again`
    )
    for (const { reject } of this.#waiting.values()) {
      reject(this.#dead)
    }
    this.#waiting.clear()
  }

  #valueOf(response: Response): string | number | undefined {
    if (!('value' in response)) {
      throw unexpected(response)
    }
    return response.value
  }
}

function unexpected(response: Response): Error {
  return new Error(`the records worker gave an answer to another question: ${response.id}`)
}
