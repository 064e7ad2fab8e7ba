/** In the lab: resumed-streams.ts FOLDER SENDER RECEIVER */
import type { Engine } from '../../../src/native.ts'
import { resumedStreams } from '../../resumed-streams.ts'

const [folder = '', sender, receiver] = process.argv.slice(2)
await resumedStreams(folder, sender as Engine, receiver as Engine)
