/** The same requests, commands and calls for a real Kubo and for this node: the same answers. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { create, type KuboRPCClient } from 'kubo-rpc-client'
import * as assert from 'uvu/assert'
import { buildProgram } from '../../src/kubo/build.ts'
import { startNode, type RunningNode } from '../../src/node/node.ts'
import { KuboDaemon } from '../cluster/daemons.ts'
import { missing, run } from '../kubo/harness.ts'
import { collect } from '../rejection.ts'
import { suite } from '../suite.ts'
import { tempRepo, type TempRepo } from '../temp-repo.ts'
import { sideBySide } from './side-by-side.ts'

interface Context {
  folder: string
  ipfs: string
  kubo: KuboDaemon
  temp: TempRepo
  running: RunningNode
  rpc: number
}

/** Where answers differ, and why they may. */
const known: Array<[RegExp, string]> = [
  [/^POST pin\/add\?.*progress=true\n/, 'what was pinned before is not visited again'],
  [/^POST cat\?arg=\/ipfs\/foo\n/, 'the words of a library that decodes hexadecimal'],
  [/^POST pin\/ls\?arg=Qmfoo\n/, 'the words of a library that decodes base58'],
  [/^POST pin\/rm\?arg=bafy\n/, 'the words of a library that decodes base32'],
  [/^POST resolve\?arg=foo\n/, 'the words of a library that decodes hexadecimal']
]

const test = suite<Context>('side by side with Kubo')

async function start(context: Context): Promise<void> {
  context.folder = await mkdtemp(join(tmpdir(), 'side-by-side-'))
  context.ipfs = await buildProgram('ipfs')
  context.kubo = await KuboDaemon.make(context.ipfs, context.folder)
  await context.kubo.start('--offline')
  context.temp = await tempRepo()
  context.running = await startNode({ repo: context.temp.repo, rpc: { port: 0 } })
  const { rpcAddress } = context.running
  context.rpc = rpcAddress != null && 'port' in rpcAddress ? rpcAddress.port : 0
}

const why = missing()
if (why != null) {
  console.log(`skipped: ${why}`)
  test.skip('Kubo', () => {})
} else {
  test.before(start)
  test.after(async ({ running, temp, kubo, folder }) => {
    await running.stop()
    await temp.remove()
    await kubo.stop()
    await rm(folder, { recursive: true, force: true })
  })

  test('raw requests: bodies, headers and statuses', async ({ kubo, rpc }) => {
    const compared = await sideBySide(`127.0.0.1:${kubo.rpc}`, `127.0.0.1:${rpc}`)
    const unknown = compared.differences.filter(one => !known.some(([what]) => what.test(one)))
    assert.equal(unknown, [], `\n${unknown.join('\n')}`)
    assert.ok(compared.same > 180, `${compared.same} answers`)
  })

  test('the ipfs command with --api', async ({ folder, ipfs, kubo, rpc }) => {
    const file = join(folder, 'file')
    await writeFile(file, 'what the command adds\n')
    const ask = async (port: number, args: string[]) => {
      const api = ['--api', `/ip4/127.0.0.1/tcp/${port}`]
      const { code, stdout, stderr } = await run(ipfs, [...api, ...args], {
        IPFS_PATH: join(folder, 'no-repo')
      })
      // it compares versions, and progress depends on time
      const said = stderr.replace(/^.*[Vv]ersion.*\n/gm, '').replace(/.*\r/g, '')
      return { code, stdout, stderr: said }
    }
    const cid = 'bafkreic2llnhd3sfxkffotxqymcypq2pegvfxq7tmn7tuuhp2l6lnpklzy'
    const [added] = (await ask(kubo.rpc, ['add', '-Q', '--cid-version=1', file])).stdout.split('\n')
    const root = added ?? cid
    for (const args of [
      ['add', '-Q', '--cid-version=1', file],
      ['cat', root],
      ['ls', root],
      ['block', 'stat', root],
      ['pin', 'ls', '--type=recursive', root],
      ['pin', 'ls', '--type=direct', root],
      ['pin', 'ls', root],
      ['pin', 'rm', root],
      ['pin', 'rm', root],
      ['pin', 'ls', root],
      ['pin', 'add', '--progress', root],
      ['pin', 'add', '--name', 'a name', root],
      ['pin', 'ls', '--names', '--type=recursive', root],
      ['pin', 'update', root, root],
      ['pin', 'update', cid, root],
      ['pin', 'verify'],
      ['refs', '-r', root],
      ['resolve', `/ipfs/${root}`],
      ['swarm', 'peers'],
      ['pin', 'rm', root],
      ['cat', cid],
      ['nope']
    ]) {
      const [theirs, mine] = [await ask(kubo.rpc, args), await ask(rpc, args)]
      assert.equal(mine, theirs, `ipfs ${args.join(' ')}`)
    }
  })

  test('kubo-rpc-client', async ({ kubo, rpc }) => {
    const session = async (client: KuboRPCClient) => {
      const answers: unknown[] = []
      const keep = async (work: Promise<unknown>) => {
        answers.push(await work.then(String, (error: unknown) => `failed: ${String(error)}`))
      }
      const { cid } = await client.add('what the client adds', { pin: false, cidVersion: 1 })
      await keep(Promise.resolve(cid))
      await keep(client.pin.add(cid, { name: 'its name' }))
      const listed = await collect(client.pin.ls({ paths: cid, names: true }))
      answers.push(listed.map(({ type, name }) => [type, name]))
      await keep(client.pin.rm(cid))
      await keep(client.pin.rm(cid))
      await keep(collect(client.pin.ls({ paths: cid })))
      await keep(client.block.stat(cid).then(({ size }) => size))
      await keep(client.resolve(`/ipfs/${cid.toString()}`))
      await keep(client.dag.resolve(cid).then(found => found.cid))
      answers.push((await collect(client.refs(cid, { recursive: true }))).length)
      await keep(client.config.get('Nope.x'))
      await keep(client.swarm.peers())
      await keep(client.swarm.localAddrs())
      return answers
    }
    const clients = [kubo.rpc, rpc].map(port => create({ url: `http://127.0.0.1:${port}/api/v0` }))
    const [theirs, mine] = await Promise.all(clients.map(session))
    assert.equal(mine, theirs)
  })
}

test.run()
