/** Stock IPFS Cluster drives this project's daemons, and, for comparison, Kubo's. */
import { suite } from 'uvu'
import { buildProgram } from '../../src/kubo/build.ts'
import { KuboDaemon, ZfsDaemon, ZfsDaemonWithKubo } from './daemons.ts'
import { missing } from './peer.ts'
import { scenario } from './scenario.ts'
import { zfsSteps } from './zfs-steps.ts'

const why = missing()
if (why != null) {
  console.log(`skipped: ${why}`)
  const test = suite('cluster')
  test.skip('Cluster', () => {})
  test.run()
} else {
  scenario('Cluster on ipfs-zfs', folder => ZfsDaemon.make(folder), zfsSteps)
  scenario(
    'Cluster on ipfs-zfs with Kubo',
    async folder => ZfsDaemonWithKubo.make(await buildProgram('ipfs'), folder),
    zfsSteps
  )
  // what is asked of us is what Cluster shows with Kubo
  if (process.env['CLUSTER_ON_KUBO'] === '1') {
    scenario('Cluster on Kubo', async folder => KuboDaemon.make(await buildProgram('ipfs'), folder))
  }
}
