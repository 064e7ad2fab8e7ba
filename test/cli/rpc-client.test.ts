import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { mkdtemp, rm } from 'node:fs/promises'
import {
  createServer as createTcpServer,
  type AddressInfo,
  type Server as TcpServer
} from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseAddress, parseHostPort } from '../../src/client/address.ts'
import { multipart, type UploadPart } from '../../src/client/multipart.ts'
import { RpcClient } from '../../src/client/rpc.ts'

type Handler = (request: IncomingMessage, response: ServerResponse) => void

const test = suite('rpc client')

/** A server for one test, on TCP. */
async function served<T>(handler: Handler, work: (rpc: RpcClient) => Promise<T>): Promise<T> {
  const server = createServer(handler)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const rpc = new RpcClient({ host: '127.0.0.1', port })
  try {
    return await work(rpc)
  } finally {
    rpc.close()
    await closed(server)
  }
}

async function closed(server: Server): Promise<void> {
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
}

async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const value of values) found.push(value)
  return found
}

async function failure(work: Promise<unknown>): Promise<Error & { code?: string }> {
  try {
    await work
  } catch (error) {
    if (error instanceof Error) return error
  }
  throw new Error('it did not fail')
}

/** Answers the first request of each connection, and closes at the second as if it had been idle. */
async function closingServer(): Promise<{ server: TcpServer; asked: string[] }> {
  const asked: string[] = []
  const server = createTcpServer(socket => {
    let first = true
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      if (!first) return socket.resetAndDestroy()
      first = false
      const [, path = ''] = chunk.toString('latin1').split(' ')
      asked.push(path)
      return socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}')
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return { server, asked }
}

test('a connection that the server closed while it was idle', async () => {
  const { server, asked } = await closingServer()
  const { port } = server.address() as AddressInfo
  const rpc = new RpcClient({ host: '127.0.0.1', port })
  try {
    for (const command of ['one', 'two', 'three']) {
      assert.equal(await rpc.json(command), {})
      await sleep(10) // the connection goes back to those that are idle
    }
    assert.equal(asked, ['/api/v0/one', '/api/v0/two', '/api/v0/three'])
  } finally {
    rpc.close()
    await new Promise(resolve => server.close(resolve))
  }
})

test('addresses of the api file', () => {
  assert.equal(parseAddress('/ip4/127.0.0.1/tcp/5001\n'), { host: '127.0.0.1', port: 5001 })
  assert.equal(parseAddress('/ip6/::1/tcp/5001'), { host: '::1', port: 5001 })
  assert.equal(parseAddress('/unix/run/a b/rpc'), { socketPath: '/run/a b/rpc' })
  for (const bad of ['', 'x', '/ip4/127.0.0.1', '/ip4/127.0.0.1/udp/1', '/ip4/1.2.3.4/tcp/0']) {
    assert.is(parseAddress(bad), undefined, bad)
  }
  assert.equal(parseHostPort('[::1]:1'), { host: '::1', port: 1 })
  assert.equal(parseHostPort('localhost:0'), { host: 'localhost', port: 0 })
  for (const bad of ['', '5001', ':5001', 'a:b', '::1:1', 'x:65536']) {
    assert.is(parseHostPort(bad), undefined, bad)
  }
})

test('arguments and options', () =>
  served(
    (request, response) =>
      response.end(JSON.stringify({ url: request.url, method: request.method })),
    async rpc => {
      const options = { deep: true, none: undefined, n: 3 }
      const answer = await rpc.json('x/y', { args: ['a b', '&'], options })
      assert.equal(answer, { url: '/api/v0/x/y?arg=a+b&arg=%26&deep=true&n=3', method: 'POST' })
    }
  ))

test('a unix socket', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rpc-'))
  const server = createServer((_, response) => response.end('{"here":1}'))
  await new Promise<void>(resolve => server.listen(join(folder, 's'), resolve))
  const rpc = new RpcClient({ socketPath: join(folder, 's') })
  assert.equal(await rpc.json('x'), { here: 1 })
  rpc.close()
  await closed(server)
  await rm(folder, { recursive: true })
})

test("errors in Kubo's shape, with our code or without, and in no shape", async () => {
  const bodies = [
    ['{"Message":"no","Code":0,"Type":"error","ErrorCode":"ERR_NO_SPACE"}', 'no', 'ERR_NO_SPACE'],
    ['{"Message":"no","Code":0,"Type":"error"}', 'no', 'ERR_RPC'],
    ['argument "x" is required\n', 'argument "x" is required', 'ERR_RPC'],
    ['', 'the node answered with status 500', 'ERR_RPC']
  ] as const
  for (const [body, message, code] of bodies) {
    await served(
      (_, response) => response.writeHead(500).end(body),
      async rpc => {
        const error = await failure(rpc.json('x'))
        assert.is(error.message, message)
        assert.is(error.code, code)
      }
    )
  }
})

test('lines that are cut anywhere, in the middle of a letter too', () =>
  served(
    (_, response) => {
      const bytes = Buffer.from('{"a":"ä"}\n\n{"a":"€"}\n{"a":"end"}')
      const send = async () => {
        for (const byte of bytes) {
          response.write(Buffer.of(byte))
          await sleep(0)
        }
        response.end()
      }
      void send()
    },
    async rpc => {
      const found: unknown[] = []
      for await (const line of rpc.lines('x')) found.push(line)
      assert.equal(found, [{ a: 'ä' }, { a: '€' }, { a: 'end' }])
    }
  ))

test('a failure after the first line', async () => {
  await served(
    (_, response) => {
      response.writeHead(200, { trailer: 'X-Stream-Error' }).write('{}\n')
      response.addTrailers({ 'X-Stream-Error': 'disk on fire' })
      response.end()
    },
    async rpc => {
      const error = await failure(all(rpc.lines('x')))
      assert.is(error.message, 'disk on fire')
    }
  )
  await served(
    (_, response) => {
      response.write('{}\n')
      setTimeout(() => response.destroy(), 20)
    },
    async rpc => {
      const error = await failure(all(rpc.lines('x')))
      assert.is(error.code, 'ERR_RPC_CONNECTION')
    }
  )
})

test('nobody listens', async () => {
  const rpc = new RpcClient({ socketPath: '/nonexistent' })
  assert.is((await failure(rpc.json('x'))).code, 'ERR_RPC_CONNECTION')
})

test('an upload as Kubo wants it', () =>
  served(
    (request, response) => request.pipe(response),
    async rpc => {
      async function* parts(): AsyncGenerator<UploadPart> {
        yield { kind: 'directory', name: 'd' }
        yield { kind: 'file', name: 'd/ä b%"\n', content: Buffer.from('one') }
        yield { kind: 'symlink', name: 'd/l', target: '../x' }
      }
      const body = multipart(parts())
      const boundary = body.contentType.replace(/.*boundary=/, '')
      const text = await (await rpc.open('add', { body })).text()
      const expected = [
        `--${boundary}`,
        'Content-Disposition: form-data; name="file"; filename="d"',
        'Content-Type: application/x-directory',
        '',
        '',
        `--${boundary}`,
        'Content-Disposition: form-data; name="file"; filename="d%2F%C3%A4%20b%25%22%0A"',
        'Content-Type: application/octet-stream',
        '',
        'one',
        `--${boundary}`,
        'Content-Disposition: form-data; name="file"; filename="d%2Fl"',
        'Content-Type: application/symlink',
        '',
        '../x',
        `--${boundary}--`,
        ''
      ]
      assert.is(text, expected.join('\r\n'))
    }
  ))

test('a large upload is taken as fast as the server reads it', () =>
  served(
    (request, response) => {
      void (async () => {
        let bytes = 0
        for await (const chunk of request) {
          bytes += (chunk as Buffer).byteLength
          if (bytes < 8 << 20) await sleep(5)
        }
        response.end(JSON.stringify({ bytes }))
      })()
    },
    async rpc => {
      const total = 100 << 20
      let made = 0
      async function* content(): AsyncGenerator<Uint8Array> {
        while (made < total) {
          made += 1 << 20
          yield Buffer.alloc(1 << 20)
        }
      }
      const answer = rpc.json<{ bytes: number }>('add', {
        body: multipart([{ kind: 'file', name: 'big', content: content() }])
      })
      await sleep(50)
      assert.ok(made < 32 << 20, `${made} bytes were read ahead`)
      const { bytes } = await answer
      assert.ok(bytes > total && bytes < total + 1000)
    }
  ))

test('what fails on our side is told as it is', () =>
  served(
    (request, response) => {
      request.resume()
      response.write('{"a":1}\n')
      request.on('error', () => {})
    },
    async rpc => {
      async function* content(): AsyncGenerator<Uint8Array> {
        yield Buffer.alloc(100_000)
        await sleep(20)
        throw new Error('the file cannot be read')
      }
      const body = multipart([{ kind: 'file', name: 'x', content: content() }])
      const error = await failure(all(rpc.lines('add', { body })))
      assert.is(error.message, 'the file cannot be read')
    }
  ))

test('an error that comes while the upload is under way', () =>
  served(
    (request, response) => {
      request.once('data', () => {
        response.writeHead(500, { connection: 'close' })
        response.end('{"Message":"full","ErrorCode":"ERR_NO_SPACE"}')
        request.resume()
      })
    },
    async rpc => {
      async function* content(): AsyncGenerator<Uint8Array> {
        for (let sent = 0; sent < 100; sent++) yield Buffer.alloc(1 << 20)
      }
      const body = multipart([{ kind: 'file', name: 'x', content: content() }])
      const error = await failure(all(rpc.lines('add', { body })))
      assert.is(error.code, 'ERR_NO_SPACE')
    }
  ))

test('an upload that fails before its first byte', () =>
  served(
    () => {},
    async rpc => {
      async function* none(): AsyncGenerator<UploadPart> {
        yield* []
        throw new Error('cannot be read')
      }
      const error = await failure(rpc.json('add', { body: multipart(none()) }))
      assert.is(error.message, 'cannot be read')
    }
  ))

test('an abort says why', () =>
  served(
    () => {},
    async rpc => {
      const controller = new AbortController()
      setTimeout(() => controller.abort(new Error('enough')), 20)
      const error = await failure(rpc.json('x', { signal: controller.signal }))
      assert.is(error.message, 'enough')
    }
  ))

test.run()
