/**
 * What happens when there is much of something.
 *
 *     npm run bench:scale -- sqlite --sessions 10000000
 */
import { parseArgs } from 'node:util'
import { build, isStale } from '../../tools/build.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sessions: { type: 'string', default: '100000' },
    requests: { type: 'string', default: '1000' },
    minutes: { type: 'string', default: '1' },
    side: { type: 'string', default: 'Sojourn, SQLite' },
  },
})
const trials = ['sqlite', 'postgres', 'memory', 'redis', 'one-session', 'pages', 'faults', 'soak']
const chosen = positionals.length > 0 ? positionals : trials
const unknown = chosen.find((name) => !trials.includes(name))
if (unknown !== undefined) throw new Error(`There is no "${unknown}"; there are ${trials.join(', ')}`)
const [sessions, requests, minutes] = [wholeNumber('sessions'), wholeNumber('requests'), Number(values.minutes)]
if (!(minutes > 0 && minutes < Infinity)) throw new Error(`--minutes must be a number above 0; got "${values.minutes}"`)

const complaint = (await isStale()) ? await build() : undefined
if (complaint !== undefined) throw new Error(complaint)
for (const name of chosen) {
  console.log(`\n${name}`)
  const { run } = await import(`./${name}.ts`)
  await run({ sessions, requests, minutes, side: values.side })
}

function wholeNumber(option: 'sessions' | 'requests'): number {
  const number = Number(values[option])
  if (Number.isInteger(number) && number >= 1) return number
  throw new Error(`--${option} must be a whole number, at least 1; got "${values[option]}"`)
}
