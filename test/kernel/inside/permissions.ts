/**
 * Run as root in the lab: one repo for a user who is not root, with every permission it needs, by
 * the command line; and then without each of them in turn, by this process, which becomes that user
 * for as long: starting a program takes seconds here. Prints what happened, a JSON object a line.
 *
 *   permissions.ts FOLDER
 */
import { spawnSync } from 'node:child_process'
import { chownSync, mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { openRepo, type Repo } from '../../../src/index.ts'
import { randomBlocks } from '../../blocks.ts'
import { NEEDED } from '../permissions.ts'
import { sh } from './sh.ts'

const USER = 'nobody'
const UID = 65534
const [folder = ''] = process.argv.slice(2)

/** The command line as that user. */
function asUser(...args: string[]) {
  const ran = spawnSync(
    'setpriv',
    [
      '--reuid',
      String(UID),
      '--clear-groups',
      process.execPath,
      'src/cli/main.ts',
      '--json',
      ...args
    ],
    {
      env: {
        ...process.env,
        HOME: home,
        TMPDIR: home,
        NODE_COMPILE_CACHE: join(home, 'compiled'),
        IPFS_ZFS_ENGINE: 'kernel'
      }
    }
  )
  return { code: ran.status, stdout: String(ran.stdout), stderr: String(ran.stderr) }
}

function say(what: string, result: object): void {
  console.log(JSON.stringify({ what, ...result }))
}

// Not in FOLDER: what a user makes on the lab's host file system belongs to the host's user.
const home = mkdtempSync('/tmp/user-')
chownSync(home, UID, UID)
sh('truncate', '-s', '512M', join(folder, 'disk'))
sh('zpool', 'create', 'tank', join(folder, 'disk'))
const path = join(home, 'repo')
const init = ['--repo', path, 'init', '--name', 'tank', '--shards', '1']

// Nothing is allowed: each refusal names what to allow, until all is.
const granted: string[] = []
for (let turn = 0; turn < 30; turn++) {
  const ran = asUser(...init)
  if (ran.code === 0) break
  const line = /`(zfs allow -u \S+ (\S+) (\S+))`/.exec(ran.stderr)
  if (line == null) {
    say('init', { granted, ...ran })
    break
  }
  const [, command = '', permissions = ''] = line
  granted.push(permissions)
  sh('bash', '-c', command)
}
say('asked for', { granted })
sh('zfs', 'unallow', '-u', USER, 'tank')
spawnSync('zfs', ['destroy', '-r', 'tank/ipfs'])

// A mount is root's, so the datasets are made by root, and owned by the user.
const made = spawnSync(process.execPath, ['src/cli/main.ts', ...init], {
  env: { ...process.env, IPFS_ZFS_ENGINE: 'kernel' }
})
say('made by root', { code: made.status, stderr: String(made.stderr) })
sh('chown', '-R', `${UID}:${UID}`, '/tank/ipfs', path)

const commands = [
  ['block', 'put', 'package.json'],
  ['snapshot', 'create', 'one'],
  ['snapshot', 'rollback', 'one'],
  ['snapshot', 'destroy', 'one']
]
sh('zfs', 'allow', '-u', USER, NEEDED.join(','), 'tank/ipfs')
for (const command of commands) {
  const { code, stderr } = asUser('--repo', path, ...command)
  say(command.slice(0, 2).join(' '), { code, stderr })
}

/** What those commands do. */
const calls: Array<[string, (repo: Repo) => Promise<unknown>]> = [
  ['block put', async ({ blockstore }) => putOne(blockstore)],
  ['snapshot create', async ({ snapshots }) => snapshots.create('one')],
  ['snapshot rollback', async ({ snapshots }) => snapshots.rollback('one')],
  ['snapshot destroy', async ({ snapshots }) => snapshots.destroy('one')]
]

async function putOne(blockstore: Repo['blockstore']): Promise<void> {
  for (const { cid, bytes } of randomBlocks(1, 1000)) await blockstore.put(cid, bytes)
}

/** Opened for each, as by a command; `error` is null when it was done. */
async function inProcess(call: (repo: Repo) => Promise<unknown>): Promise<object> {
  process.seteuid?.(UID)
  try {
    const repo = await openRepo({ path, engine: 'kernel' })
    try {
      await call(repo)
    } finally {
      await repo.close()
    }
    return { error: null }
  } catch (error) {
    const { code, message } = error as { code: string; message: string }
    return { error: { code, message } }
  } finally {
    process.seteuid?.(0)
  }
}

process.setgroups?.([])
for (const missing of NEEDED) {
  sh('zfs', 'unallow', '-u', USER, 'tank/ipfs')
  sh('zfs', 'allow', '-u', USER, NEEDED.filter(name => name !== missing).join(','), 'tank/ipfs')
  for (const [what, call] of calls) say(what, { missing, ...(await inProcess(call)) })
  spawnSync('zfs', ['destroy', '-r', 'tank/ipfs@one'])
}
