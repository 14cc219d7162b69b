/**
 * Measures what a session costs: the server's CPU time for a request above the same framework without sessions.
 *
 *     npm run bench -- --help
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { startPostgres } from '../test/harness/postgres.ts'
import { startRedis } from '../test/harness/redis.ts'
import { build, isStale } from '../tools/build.ts'
import { chartOf } from './chart.ts'
import { type Group, groups } from './groups.ts'
import { type Costs, type Extent, measureRound } from './measure.ts'
import { machine, markdownOf, type Report, versionsOf } from './report.ts'
import { type GroupResult, resultOf } from './results.ts'

const help = `npm run bench -- [options]

  --peer <name>    only groups with this peer: ${[...new Set(groups.map(({ peer }) => peer))].join('; ')}
  --store <name>   only groups with this store: ${[...new Set(groups.map(({ store }) => store))].join('; ')}
  --rounds <n>     rounds, each in fresh processes; 10 unless said
  --short          short rounds, at most five, until Sojourn costs less than each peer for a read; fails where it never
                   does. A check of direction only
  --json           print figures as JSON
  --write          put the last run into docs/performance.md and its chart
`

const { values: given } = parseArgs({
  options: {
    peer: { type: 'string' },
    store: { type: 'string' },
    rounds: { type: 'string', default: '10' },
    short: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

if (given.help) process.stdout.write(help)
else await main()

async function main(): Promise<void> {
  const chosen = groups.filter(({ peer, store }) => (given.peer ?? peer) === peer && (given.store ?? store) === store)
  if (chosen.length === 0) throw new Error(`No group has that peer and that store.\n\n${help}`)
  const rounds = Number(given.rounds)
  if (!(Number.isInteger(rounds) && rounds >= 1)) {
    throw new Error(`--rounds must be a whole number, at least 1; got "${given.rounds}".\n\n${help}`)
  }
  if (await isStale()) {
    const complaint = await build()
    if (complaint !== undefined) throw new Error(complaint)
  }
  const extent: Extent = given.short
    ? { rounds: 1, turns: 6, requests: 800, warmUp: 10_000, sessions: 50, connections: 32 }
    : { rounds, turns: 5, requests: 1000, warmUp: 50_000, sessions: 200, connections: 32 }
  const report = {
    taken: new Date().toISOString().slice(0, 10),
    machine: machine(),
    versions: versionsOf(chosen.flatMap(({ packages }) => packages)),
    rounds: extent.rounds,
    groups: [] as GroupResult[],
  } satisfies Report
  for (const group of chosen) {
    try {
      const result = given.short ? await direction(group, extent) : await measureGroup(group, extent)
      report.groups.push(result)
      process.stderr.write(`${markdownOf({ ...report, groups: [result] })}\n\n`)
      if (given.write) writeDocument(report)
    } catch (error) {
      process.exitCode = 1
      process.stderr.write(`${group.title}: ${(error as Error).stack}\n`)
    }
  }
  process.stdout.write(given.json ? `${JSON.stringify(report, null, 2)}\n` : `${markdownOf(report)}\n`)
}

async function measureGroup(group: Group, extent: Extent): Promise<GroupResult> {
  const server = group.needs && (await { redis: startRedis, postgres: startPostgres }[group.needs]())
  const names = [group.bare, group.peer, ...group.others]
  try {
    const rounds: Costs[] = []
    while (rounds.length < extent.rounds) {
      process.stderr.write(`${group.title}: round ${rounds.length + 1} of ${extent.rounds}\n`)
      const order = rounds.length % 2 === 0 ? names : names.toReversed()
      rounds.push(await measureRound(order, extent, server?.url ?? ''))
    }
    return resultOf(group, rounds)
  } finally {
    await server?.stop()
  }
}

/** A short round tells no more than which of two is cheaper by far, and on a busy machine it may err. */
async function direction(group: Group, extent: Extent): Promise<GroupResult> {
  let result = await measureGroup(group, extent)
  for (let again = 0; again < 4 && dearerReads(result).length > 0; again++) result = await measureGroup(group, extent)
  for (const { side, ofPeer } of dearerReads(result)) {
    process.stderr.write(`${side} costs ${ofPeer.median.toFixed(2)} of its peer for a read; it has to cost less\n`)
    process.exitCode = 1
  }
  return result
}

function dearerReads({ results }: GroupResult) {
  return results.filter(
    ({ side, work, ofPeer }) => side.startsWith('Sojourn') && work === 'read' && !(ofPeer.median < 1),
  )
}

function writeDocument(report: Report): void {
  const page = new URL('../docs/performance.md', import.meta.url)
  const between = /(?<=<!-- last run -->\n)[\s\S]*(?=\n<!-- end of last run -->)/
  writeFileSync(
    page,
    readFileSync(page, 'utf8').replace(between, () => `\n${markdownOf(report)}\n`),
  )
  writeFileSync(new URL('../docs/images/performance.svg', import.meta.url), chartOf(report.groups))
}
