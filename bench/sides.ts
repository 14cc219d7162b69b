/** A program that can be measured. `serve.ts` serves it in a process of its own. */
export interface Side {
  /** The module in `apps/`, and the export of it that makes the server. */
  readonly app: string
  readonly make: string
  /** Whether it is a framework without sessions, above which the others are measured. */
  readonly isBare?: true
  /** Whether it sets a cookie on responses that changed nothing, which its documentation has no way around. */
  readonly isChatty?: true
}

/** Every side by name. */
export const sides: { readonly [name: string]: Side } = {
  Express: { app: 'express', make: 'bare', isBare: true },
  'by hand, Map': { app: 'express', make: 'byHandOnMap' },
  'by hand, SQLite': { app: 'express', make: 'byHandOnSqlite' },
  'express-session': { app: 'express', make: 'expressSessionInMemory' },
  'Sojourn, memory': { app: 'express', make: 'sojournInMemory' },
  'Sojourn, SQLite': { app: 'express', make: 'sojournOnSqlite' },
  'Sojourn as express-session': { app: 'express', make: 'dropInInMemory' },

  'by hand, Redis': { app: 'express-remote', make: 'byHandOnRedis' },
  'express-session, connect-redis': { app: 'express-remote', make: 'connectRedis' },
  'Sojourn, Redis': { app: 'express-remote', make: 'sojournOnRedis' },

  'by hand, Postgres': { app: 'express-remote', make: 'byHandOnPostgres' },
  'express-session, connect-pg-simple': { app: 'express-remote', make: 'connectPostgres' },
  'Sojourn, Postgres': { app: 'express-remote', make: 'sojournOnPostgres' },

  'iron-session': { app: 'express-cookie', make: 'ironSession' },
  'Sojourn, cookie': { app: 'express-cookie', make: 'sojournInCookie' },

  Fastify: { app: 'fastify', make: 'bare', isBare: true },
  '@fastify/session': { app: 'fastify', make: 'fastifySessionInMemory' },
  'Sojourn on Fastify': { app: 'fastify', make: 'sojournInMemory' },

  Koa: { app: 'koa', make: 'bare', isBare: true },
  'koa-session': { app: 'koa', make: 'koaSessionInMemory' },
  'Sojourn on Koa': { app: 'koa', make: 'sojournInMemory' },

  Hono: { app: 'hono', make: 'bare', isBare: true },
  'hono-sessions': { app: 'hono', make: 'honoSessionsInMemory', isChatty: true },
  'Sojourn on Hono': { app: 'hono', make: 'sojournInMemory' },
}
