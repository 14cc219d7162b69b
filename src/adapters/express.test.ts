import { createRequire } from 'node:module'
import connect from 'connect'
import express from 'express'
import request from 'supertest'
import { describe, expect, test } from 'vitest'
import { expressRoutes } from '../../test/adapters/express-routes.js'
import { nodeRoutes } from '../../test/adapters/node-routes.js'
import { served } from '../../test/adapters/served.js'
import { adapterChecks } from '../conformance/adapter.js'
import { createSessions } from '../index.js'
import { requireUser, session } from './express.js'

const express4: typeof express = createRequire(import.meta.url)('express4')

for (const [name, framework] of Object.entries({ 'Express 5': express, 'Express 4': express4 })) {
  describe(name, () => {
    const checks = adapterChecks({
      start: (sessions) => served(expressRoutes(framework, sessions)),
      routes: ['hints', 'trailers'],
    })
    for (const { name, run } of checks) test(name, run)

    test('an error handler of the app answers a 401 that asks for a bearer token', async () => {
      const app = framework()
      app.use(session(createSessions({ transport: { header: 'authorization' } })), requireUser())
      const answer: express.ErrorRequestHandler = (error, _req, res, _next) => {
        res.status(error.status).json({ code: error.code })
      }
      app.use(answer)
      const { status, headers, body } = await request(app).get('/')
      expect([status, headers['www-authenticate'], body]).toEqual([401, 'Bearer', { code: 'unauthenticated' }])
    })
  })
}

describe('connect', () => {
  const checks = adapterChecks({
    start: (sessions) => {
      const app = connect().use(session(sessions))
      app.use((request, response, next) => {
        const { session } = request as express.Request
        nodeRoutes(request, response, session).catch(next)
      })
      return served(app)
    },
    routes: ['hints', 'trailers'],
  })
  for (const { name, run } of checks) test(name, run)
})
