import { expect, test } from 'vitest'
import { describeWith } from '../harness/describe-with.js'
import type { Tool } from '../harness/tool.js'
import { describeOutcome, header } from './figures.js'
import { brokenPromises, torture } from './torture.js'

/** The short form of `npm run torture`, and what each store needs for it. */
const contests: [store: string, arena: string, needs: Tool[]][] = [
  ['memory', 'one process', []],
  ['sqlite', 'one file', []],
  ['redis', 'one server', ['redis']],
  ['redis', 'Sentinel', ['redis']],
  ['redis', 'a cluster', ['redis']],
  ['redis', 'a replicated cluster', ['redis']],
  ['postgres', 'one server', ['postgres']],
  ['postgres', 'PgBouncer', ['postgres', 'pgbouncer']],
  ['mysql', 'MariaDB', ['mariadb']],
  ['memcached', 'one server', ['memcached']],
]

for (const [store, arena, needs] of contests) {
  await describeWith(needs, `${store}, ${arena}`, () => {
    test('what was answered is kept, whatever goes wrong', async () => {
      const outcomes = []
      for await (const outcome of torture({ store, arena, short: true, duration: 2000 })) outcomes.push(outcome)
      console.log([header, ...outcomes.map(describeOutcome)].join('\n'))
      expect(outcomes.length).toBeGreaterThan(0)
      expect(outcomes.filter((outcome) => brokenPromises(outcome).length > 0)).toEqual([])
    }, 180_000)
  })
}
