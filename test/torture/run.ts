/**
 * Sends requests from several processes through the engine to one store, while its server and its network fail, and
 * prints what became of what was answered.
 *
 *     npm run torture -- --store redis                    every arena, 10 seconds for each thing that goes wrong
 *     npm run torture -- --store redis --arena Sentinel   only arenas whose name contains this
 *     npm run torture -- --store redis --seconds 60
 *     npm run torture -- --store redis --short            a few of them, 2 seconds each
 */
import { parseArgs } from 'node:util'
import { describeOutcome, header } from './figures.js'
import { brokenPromises, torture } from './torture.js'

try {
  const { values } = parseArgs({
    options: {
      store: { type: 'string', default: 'redis' },
      arena: { type: 'string', default: '' },
      seconds: { type: 'string' },
      short: { type: 'boolean', default: false },
    },
  })
  const { store, arena, short } = values
  const seconds = Number(values.seconds ?? (short ? 2 : 10))
  if (!(seconds > 0 && seconds <= 3600)) throw new Error('--seconds must be a number from 1 to 3600')
  console.log(header)
  for await (const outcome of torture({ store, arena, short, duration: seconds * 1000 })) {
    console.log(describeOutcome(outcome))
    if (brokenPromises(outcome).length > 0) process.exitCode = 1
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 2
}
