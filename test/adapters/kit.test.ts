import { getRequestListener } from '@hono/node-server'
import { describe, test } from 'vitest'
import { type AdapterChecksOptions, adapterChecks } from '../../src/conformance/adapter.js'
import { serveFastify } from './routes/fastify.js'
import { fetchRoutes } from './routes/fetch.js'
import { honoRoutes } from './routes/hono.js'
import { serveKoa } from './routes/koa.js'
import { listen } from './routes/listen.js'
import { serveNode } from './routes/node.js'

const adapters: { readonly [name: string]: AdapterChecksOptions } = {
  fastify: { start: serveFastify, routes: ['hints', 'trailers'] },
  koa: { start: serveKoa, routes: ['hints', 'trailers'] },
  hono: { start: (sessions) => listen(getRequestListener(honoRoutes(sessions).fetch)) },
  fetch: { start: (sessions) => listen(getRequestListener(fetchRoutes(sessions))) },
  node: { start: serveNode, routes: ['hints', 'trailers'] },
}

describe.each(Object.entries(adapters))('%s', (_name, options) => {
  for (const { name, run } of adapterChecks(options)) test(name, run)
})
