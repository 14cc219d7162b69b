/**
 * What a session library adds to the start of a process: CPU time until it is loaded and its middleware is made, above
 * that of the same framework. The sides take turns in fresh processes.
 *
 *     npm run bench:startup [-- 15]
 */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { markdownTable } from 'markdown-table'
import { build, isStale } from '../tools/build.ts'
import { median } from './measure.ts'
import { signed } from './report.ts'

const [, , given = '15'] = process.argv
const times = Number(given)
if (!(Number.isInteger(times) && times >= 1)) {
  throw new Error(`How many times must be a whole number, at least 1; got "${given}"`)
}

const express = "import express from 'express'; const app = express();"
const recommended = "{ secret: 'a secret for the bench', resave: false, saveUninitialized: false }"

/** Programs by name. The first is what the others are measured above. */
const programs = {
  'express alone': express,
  'express-session': `${express} import session from 'express-session'; app.use(session(${recommended}))`,
  'express-session, connect-redis': `${express} import session from 'express-session';
    import { RedisStore } from 'connect-redis'; import { createClient } from 'redis';
    app.use(session({ ...${recommended}, store: new RedisStore({ client: createClient() }) }))`,
  'iron-session': `${express} import { getIronSession } from 'iron-session'; app.locals.open = getIronSession`,
  'Sojourn, memory': `${express} import { session } from 'sojourn/express';
    import { memoryStore } from 'sojourn/stores/memory'; app.use(session({ store: memoryStore() }))`,
  'Sojourn, SQLite': `${express} import { session } from 'sojourn/express';
    import { sqliteStore } from 'sojourn/stores/sqlite'; app.use(session({ store: sqliteStore(':memory:') }))`,
  'Sojourn, Redis': `${express} import { session } from 'sojourn/express';
    import { redisStore } from 'sojourn/stores/redis'; import { createClient } from 'redis';
    app.use(session({ store: redisStore({ client: createClient() }) }))`,
  'Sojourn, cookie': `${express} import { session } from 'sojourn/express';
    import { cookieStore } from 'sojourn/stores/cookie';
    app.use(session({ store: cookieStore({ secrets: 'k7Jw0mZ4tQ9xV2bN8cL5rH3yP6sD1fGa' }) }))`,
  'Sojourn as express-session': `${express} import session from 'sojourn/express-session'; app.use(session(${recommended}))`,
}

/** Milliseconds of CPU until the program is ready. */
function start(program: string): number {
  const report = '\nconst { user, system } = process.cpuUsage(); console.log((user + system) / 1000); process.exit()'
  const root = fileURLToPath(new URL('..', import.meta.url))
  const options = ['--input-type=module', '--eval', program + report]
  // Warnings, as of a store that is not for production, go where nobody sees them.
  const output = execFileSync(process.execPath, options, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  return Number(output)
}

const complaint = (await isStale()) ? await build() : undefined
if (complaint !== undefined) throw new Error(complaint)

const entries = Object.entries(programs)
const samples = new Map(entries.map(([name]) => [name, [] as number[]]))
for (let time = 0; time < times; time++) {
  for (const [name, program] of time % 2 === 0 ? entries : entries.toReversed()) samples.get(name)?.push(start(program))
}
const medians = entries.map(([name]) => ({ name, cost: median(samples.get(name) ?? []) }))
const [alone] = medians
const rows = medians.map(({ name, cost }) => [name, cost.toFixed(0), signed(cost - (alone?.cost ?? 0))])
console.log(markdownTable([['start', 'ms of CPU', 'above express'], ...rows], { align: ['l', 'r', 'r'] }))
