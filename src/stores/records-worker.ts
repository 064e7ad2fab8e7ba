/**
 * The worker thread that holds a repo's SQLite databases: node:sqlite is synchronous, and must not
 * stop the event loop. It shares the pool of the process: the addon's file, loaded by SQLite as an
 * extension, is the same library with the same globals.
 */
import { parentPort, workerData } from 'node:worker_threads'
import type { CatalogDb } from './catalog-db.ts'
import type { RecordsDb } from './records-db.ts'
import { failureOf } from './sqlite-errors.ts'
import { packAnswers, unpackOps } from './records-wire.ts'
import type { RecordsSetUp, Request, Response } from './records-wire.ts'

interface Databases {
  records: RecordsDb
  catalog: CatalogDb
}

/** The modules come late: importing node:sqlite prints a warning that it is experimental. */
async function open({ extension, recordsUri, catalogUri }: RecordsSetUp): Promise<Databases> {
  const { DatabaseSync } = await import('node:sqlite')
  const { RecordsDb } = await import('./records-db.ts')
  const { CatalogDb } = await import('./catalog-db.ts')
  const loader = new DatabaseSync(':memory:', { allowExtension: true })
  loader.loadExtension(extension)
  loader.close()
  const catalog = new CatalogDb(catalogUri)
  try {
    return { catalog, records: new RecordsDb(recordsUri) }
  } catch (error) {
    catalog.close()
    throw error
  }
}

function answer({ records, catalog }: Databases, request: Request): Response {
  const { id } = request
  if ('ops' in request) {
    return { id, answers: packAnswers(records.run(unpackOps(request.ops))) }
  }
  if ('page' in request) {
    return { id, page: records.page(request.page) }
  }
  if ('count' in request) {
    return { id, value: records.count }
  }
  if ('setting' in request) {
    const { name, initial } = request.setting
    return { id, value: catalog.setting(name, initial) }
  }
  if ('shrink' in request) {
    records.shrink()
  } else if ('checkpoint' in request) {
    records.checkpoint()
    catalog.checkpoint()
  } else {
    records.close()
    catalog.close()
  }
  return { id, value: undefined }
}

function buffersOf(response: Response): ArrayBuffer[] {
  if ('answers' in response) {
    return [response.answers.data]
  }
  return 'page' in response ? [response.page.data] : []
}

async function main(): Promise<void> {
  const port = parentPort
  if (port == null) {
    throw new Error('records-worker.ts runs in a worker thread only')
  }
  let databases: Databases
  try {
    databases = await open(workerData as RecordsSetUp)
  } catch (error) {
    port.postMessage({ id: 0, failure: failureOf(error) } satisfies Response)
    return
  }
  port.on('message', (request: Request) => {
    let response: Response
    try {
      response = answer(databases, request)
    } catch (error) {
      response = { id: request.id, failure: failureOf(error) }
    }
    port.postMessage(response, buffersOf(response))
    if ('close' in request) {
      port.close()
    }
  })
  port.postMessage({ id: 0, value: undefined } satisfies Response)
}

process.removeAllListeners('warning')
await main()
