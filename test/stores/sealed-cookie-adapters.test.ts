import { getRequestListener } from '@hono/node-server'
import express from 'express'
import { describe, test } from 'vitest'
import {
  type AdapterCheckName,
  type AdapterChecksOptions,
  adapterChecks,
  type Deviation,
} from '../../src/conformance/adapter.js'
import { cookieStore } from '../../src/stores/cookie.js'
import { expressRoutes } from '../adapters/express-routes.js'
import { serveFastify } from '../adapters/routes/fastify.js'
import { fetchRoutes } from '../adapters/routes/fetch.js'
import { listen } from '../adapters/routes/listen.js'

// A session that travels in its cookie keeps most promises of the adapters, and these are the ones that it does not.

const secrets = 'Wm9vPq3vXk1c8rT5yB2nH7dLs0fGjA4e'

type Exceptions = { readonly [reason: string]: readonly AdapterCheckName[] }

/** With a revocation store as without. */
const always: Exceptions = {
  'the values are in the cookie, so each change sends it again': [
    'the cookie brings the session back, and is not sent again',
    'a connection that is kept open serves one visitor after the other',
    'requests that are pipelined are answered in order, each with its own session',
  ],
  'parallel responses race: the cookie that arrives last is kept': [
    'parallel writers of different values all keep their change',
  ],
  'what this server did not seal is told without asking a store': [
    'a token that is not known gives an empty session, and its cookie is left alone',
  ],
  'it is the response that saves the values': [
    'a text is saved before it is seen',
    'a page with cookies is saved before it is seen',
    'a redirect is saved before it is seen',
    'an empty answer is saved before it is seen',
    'a stream is saved before it is seen',
    'a store that cannot write gives 503 and nothing of the answer',
  ],
  'after the first byte no cookie can be sent: a change then is an error, and the answer is cut short': [
    'what is set while the answer is on its way is saved',
  ],
  'a client that does not get the response has not got the change': [
    'a client that leaves before the answer loses nothing that was set',
    'a client that leaves while its session is saved loses nothing',
    'a client that leaves in the middle of an answer harms nobody',
    'a handler that fails after its first part breaks the answer off',
  ],
  'there is no short token that a header could carry, and createSessions refuses the two together': [
    'with a header for the token, it comes back in one, and no cookie is set',
    'with a header for the token, answers vary by it, and a cookie counts for nothing',
    'with a header for the token, signing in replaces it, and signing out empties it',
    'with a header for the token, none is sent over what looks like plain HTTP from elsewhere',
  ],
}

const withoutRevocation: Exceptions = {
  'nothing is on the server, so no store is called': [
    'the first value makes a session, and a cookie with safe attributes',
    'reading is free',
  ],
  'nothing is on the server that could be written first': [
    'a sign-in is saved before it is seen',
    'a sign-out is carried out before it is seen',
  ],
  'nothing is on the server that could fail': [
    'a store that cannot create gives 503 and nothing of the answer',
    'a store that cannot delete gives 503, and the cookie stays',
    'a store that cannot read gives 503',
    'an outage that is declared harmless shows an empty session',
  ],
  'a cookie that was copied is good until it expires, also after a logout': [
    'signing out ends the session, clears the cookie, and kills the token',
  ],
  'nothing is on the server that could be ended or listed': [
    'a session that was ended elsewhere is gone, and a new one can begin',
  ],
}

const hintsWithoutRevocation: Exceptions = {
  'nothing is on the server for which the response would wait': ['early hints do not wait for the session'],
}

function deviationsOf(...lists: readonly Exceptions[]): Deviation<AdapterCheckName>[] {
  return lists
    .flatMap((list) => Object.entries(list))
    .flatMap(([reason, checks]) => checks.map((check) => ({ check, reason })))
}

const withHints = { routes: ['hints', 'trailers'] } as const
const adapters: { readonly [name: string]: AdapterChecksOptions } = {
  express: { start: (sessions) => listen(expressRoutes(express, sessions)), ...withHints },
  fastify: { start: serveFastify, ...withHints },
  fetch: { start: (sessions) => listen(getRequestListener(fetchRoutes(sessions))) },
}

// Together, because what deviates is often waited for in vain.
describe.concurrent.each(Object.entries(adapters))('%s', (_name, options) => {
  describe('with a sealed cookie', () => {
    const checks = adapterChecks({
      ...options,
      store: () => cookieStore({ secrets }),
      deviations: deviationsOf(always, withoutRevocation, options.routes ? hintsWithoutRevocation : {}),
    })
    for (const { name, run } of checks) test(name, run)
  })

  describe('with a sealed cookie and a revocation store', () => {
    const checks = adapterChecks({
      ...options,
      store: (revocation) => cookieStore({ secrets, revocation }),
      deviations: deviationsOf(always),
    })
    for (const { name, run } of checks) test(name, run)
  })
})
