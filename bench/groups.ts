import type { WorkName } from './visitor.ts'

/** Sides that are measured together, taking turns. */
export interface Group {
  readonly title: string
  /** The framework without sessions. */
  readonly bare: string
  readonly peer: string
  readonly others: readonly string[]
  /** Packages whose versions the report names. */
  readonly packages: readonly string[]
  readonly store: string
  /** A server that has to run. */
  readonly needs?: 'redis' | 'postgres'
  readonly targets: readonly Target[]
}

/** How much a side may cost above the bare framework, as a share of what another costs above it. */
export interface Target {
  readonly work: WorkName
  readonly side: string
  /** Where it is the bare framework, its whole cost counts. */
  readonly against: string
  readonly atMost: number
  /** The least that the same work costs by hand. Where the target is below it, a third more than this will do. */
  readonly floor?: string
}

function both(side: string, against: string, floor?: string): Target[] {
  const works = ['read', 'change'] as const
  return works.map((work) => ({ work, side, against, atMost: 1 / 2, ...(floor && { floor }) }))
}

export const groups: readonly Group[] = [
  {
    title: 'Express, in the process',
    bare: 'Express',
    peer: 'express-session',
    others: ['by hand, Map', 'by hand, SQLite', 'Sojourn, memory', 'Sojourn, SQLite'],
    packages: ['express', 'express-session'],
    store: 'sqlite',
    targets: [
      { work: 'no cookie', side: 'Sojourn, SQLite', against: 'Express', atMost: 0.05, floor: 'by hand, SQLite' },
      { work: 'untouched', side: 'Sojourn, SQLite', against: 'by hand, SQLite', atMost: 4 / 3 },
      { work: 'read', side: 'Sojourn, SQLite', against: 'express-session', atMost: 1 / 4, floor: 'by hand, SQLite' },
      { work: 'change', side: 'Sojourn, SQLite', against: 'express-session', atMost: 1 / 2, floor: 'by hand, SQLite' },
    ],
  },
  {
    title: 'Express, on Redis',
    bare: 'Express',
    peer: 'express-session, connect-redis',
    others: ['by hand, Redis', 'Sojourn, Redis'],
    packages: ['connect-redis', 'redis'],
    store: 'redis',
    needs: 'redis',
    targets: both('Sojourn, Redis', 'express-session, connect-redis', 'by hand, Redis'),
  },
  {
    title: 'Express, on PostgreSQL',
    bare: 'Express',
    peer: 'express-session, connect-pg-simple',
    others: ['by hand, Postgres', 'Sojourn, Postgres'],
    packages: ['connect-pg-simple', 'pg'],
    store: 'postgres',
    needs: 'postgres',
    targets: both('Sojourn, Postgres', 'express-session, connect-pg-simple', 'by hand, Postgres'),
  },
  {
    title: 'Express, in an encrypted cookie',
    bare: 'Express',
    peer: 'iron-session',
    others: ['Sojourn, cookie'],
    packages: ['iron-session'],
    store: 'cookie',
    targets: both('Sojourn, cookie', 'iron-session'),
  },
  {
    title: 'Express, one import changed, on the MemoryStore of express-session',
    bare: 'Express',
    peer: 'express-session',
    others: ['Sojourn as express-session'],
    packages: ['express-session'],
    store: 'memory',
    targets: both('Sojourn as express-session', 'express-session'),
  },
  {
    title: 'Fastify, in memory',
    bare: 'Fastify',
    peer: '@fastify/session',
    others: ['Sojourn on Fastify'],
    packages: ['fastify', '@fastify/session'],
    store: 'memory',
    targets: [{ work: 'read', side: 'Sojourn on Fastify', against: '@fastify/session', atMost: 1 / 2 }],
  },
  {
    title: 'Koa, in memory',
    bare: 'Koa',
    peer: 'koa-session',
    others: ['Sojourn on Koa'],
    packages: ['koa', 'koa-session'],
    store: 'memory',
    targets: [{ work: 'read', side: 'Sojourn on Koa', against: 'koa-session', atMost: 1 / 2 }],
  },
  {
    title: 'Hono, in memory',
    bare: 'Hono',
    peer: 'hono-sessions',
    others: ['Sojourn on Hono'],
    packages: ['hono', 'hono-sessions', '@hono/node-server'],
    store: 'memory',
    targets: [{ work: 'read', side: 'Sojourn on Hono', against: 'hono-sessions', atMost: 1 / 2 }],
  },
]
