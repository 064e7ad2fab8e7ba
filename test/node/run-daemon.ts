/** A daemon as a process of its own: `node run-daemon.ts <options as JSON>`. */
import { runDaemon, type DaemonOptions } from '../../src/node/daemon.ts'

await runDaemon(JSON.parse(process.argv[2] ?? '{}') as DaemonOptions)
