import { readFile } from 'node:fs/promises'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { LIMITS, toldLimits } from '../../src/http/datastore/limits.ts'
import { ROUTES } from '../../src/http/datastore/routes.ts'
import { rig } from './datastore/client.ts'

interface Schema {
  properties?: Record<string, Schema>
}

interface OpenApi {
  paths: Record<string, Record<string, { operationId?: string }>>
  components: { schemas: Record<string, Schema> }
}

async function load(): Promise<OpenApi> {
  const url = new URL('../../docs/remote-datastore.openapi.json', import.meta.url)
  return JSON.parse(await readFile(url, 'utf8')) as OpenApi
}

const METHODS = ['get', 'head', 'put', 'post', 'delete']

test('the OpenAPI file has the routes of the server, and no others', async () => {
  const { paths } = await load()
  const described = Object.entries(paths).flatMap(([path, operations]) =>
    METHODS.filter(method => method in operations).map(method => `${method.toUpperCase()} ${path}`)
  )
  const served = ['GET /', ...ROUTES.map(({ method, path }) => `${method} ${path}`)]
  assert.equal(described.sort(), served.sort())
  const ids = Object.values(paths).flatMap(operations =>
    METHODS.map(method => operations[method]?.operationId).filter(id => id != null)
  )
  assert.is(new Set(ids).size, served.length)
})

test('its schemas have the fields of the answers', async () => {
  const { schemas } = (await load()).components
  const { call, close } = await rig()
  try {
    const fields = (name: string) => Object.keys(schemas[name]?.properties ?? {}).sort()
    const one = '/v1/namespaces/n'
    const answers: Array<[schema: string, method: string, path: string]> = [
      ['Hello', 'GET', '/'],
      ['Namespace', 'PUT', `${one}?layout=blocks`],
      ['Namespaces', 'GET', '/v1/namespaces'],
      ['Usage', 'GET', `${one}/usage`],
      ['Collected', 'POST', `${one}/gc`],
      ['Error', 'GET', '/v1/nothing']
    ]
    for (const [schema, method, path] of answers) {
      const { json } = await call(method, path)
      assert.equal(Object.keys(json).sort(), fields(schema), schema)
    }
    const limits = schemas['Hello']?.properties?.['limits']?.properties ?? {}
    assert.equal(Object.keys(limits).sort(), Object.keys(toldLimits(LIMITS)).sort())
  } finally {
    await close()
  }
})

test('docs/kubo.md explains every setting', async () => {
  const list = new URL('../../native/kubo/plugin/settings.json', import.meta.url)
  const settings = JSON.parse(await readFile(list, 'utf8')) as Array<{ path: string }>
  const guide = await readFile(new URL('../../docs/kubo.md', import.meta.url), 'utf8')
  for (const { path } of [...settings, { path: 'Datastore.StorageMax' }]) {
    assert.ok(guide.includes(`\`${path}\``), `${path} is not in docs/kubo.md`)
  }
})

test.run()
