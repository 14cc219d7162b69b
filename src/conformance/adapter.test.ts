import { ServerResponse } from 'node:http'
import connect from 'connect'
import type { Request } from 'express'
import { describe, expect, test } from 'vitest'
import { nodeRoutes } from '../../test/adapters/node-routes.js'
import { served, twoCookies } from '../../test/adapters/served.js'
import { session } from '../adapters/express.js'
import type { Exchange } from '../adapters/gate/exchange.js'
import { type Sessions, type Visits, visitsFrom } from '../core/sessions.js'
import { isPromise, type SessionStore } from '../core/store.js'
import { type AdapterCheckName, adapterChecks } from './adapter.js'

/** What spoils a correct adapter. */
interface Sabotage {
  before?: connect.NextHandleFunction
  engine?(visits: Visits): void
  onError?: connect.ErrorHandleFunction
}

function checksOf({ before, engine, onError }: Sabotage) {
  return adapterChecks({
    start(sessions) {
      engine?.(visitsFrom(sessions))
      const app = connect()
      if (before) app.use(before)
      app.use(session(sessions))
      app.use((request, response, next) => {
        nodeRoutes(request, response, (request as Request).session).catch(next)
      })
      if (onError) app.use(onError)
      return served(app)
    },
    routes: ['hints', 'trailers'],
  })
}

/** Has each header of a response pass through a function; what it returns is set, unless it is undefined. */
function headers(change: (name: string, value: unknown, response: ServerResponse) => unknown): Sabotage {
  return {
    before(_request, response, next) {
      response.setHeader = (name, value) => {
        const changed = change(name.toLowerCase(), value, response)
        return changed === undefined
          ? response
          : ServerResponse.prototype.setHeader.call(response, name, changed as string)
      }
      next()
    },
  }
}

function commits(change: (commit: Visits['commit']) => Visits['commit']): Sabotage {
  return {
    engine(visits) {
      visits.commit = change(visits.commit.bind(visits))
    },
  }
}

function stores(change: (store: SessionStore) => void): Sabotage {
  return { engine: ({ options }) => change(options.store as SessionStore) }
}

const broken: [string, AdapterCheckName, Sabotage][] = [
  [
    'a cookie for everybody',
    'a visitor who stores nothing costs no store call and gets no cookie',
    {
      before(_request, response, next) {
        response.setHeader('Set-Cookie', 'session=')
        next()
      },
    },
  ],
  [
    'a store call for everybody',
    'a visitor who stores nothing costs no store call and gets no cookie',
    {
      engine(visits) {
        const { openIfBrought } = visits
        visits.openIfBrought = (request) => {
          void (visits.options.store as SessionStore).read('nobody')
          return openIfBrought(request)
        }
      },
    },
  ],
  [
    'a cookie that scripts can read',
    'the first value makes a session, and a cookie with safe attributes',
    headers((_name, value) => withCookies(value, (cookie) => cookie.replace(' HttpOnly;', ''))),
  ],
  [
    'a cookie that is not Secure',
    'over TLS the cookie is Secure and bound to its host',
    headers((_name, value) => withCookies(value, (cookie) => cookie.replace(' Secure;', ''))),
  ],
  [
    'trust in any proxy',
    'over what looks like plain HTTP from elsewhere nothing is sent',
    {
      before(request, _response, next) {
        Object.assign(request, { secure: request.headers['x-forwarded-proto'] === 'https' })
        next()
      },
    },
  ],
  [
    'the cookie with every response',
    'the cookie brings the session back, and is not sent again',
    {
      before(request, response, next) {
        if (request.headers.cookie) response.setHeader('Set-Cookie', request.headers.cookie)
        next()
      },
    },
  ],
  [
    'an unknown cookie that is cleared',
    'a token that is not known gives an empty session, and its cookie is left alone',
    {
      before(request, response, next) {
        if (request.headers.cookie?.includes('aaaa')) response.setHeader('Set-Cookie', 'session=; Max-Age=0')
        next()
      },
    },
  ],
  [
    'a shared cache that may keep the cookie',
    'an answer with the cookie is kept from shared caches',
    headers((name, value) => (name === 'cache-control' && String(value).includes('private') ? undefined : value)),
  ],
  [
    'no word of what an answer depends on',
    'an answer that depends on the session says so',
    headers((name, value) => (name === 'vary' ? undefined : value)),
  ],
  [
    'a word of the cookie with every answer',
    'an answer that never looked at the session can be cached for all',
    {
      before(_request, response, next) {
        response.setHeader('Vary', 'Cookie')
        next()
      },
    },
  ],
  [
    'cookies of the app that are overwritten',
    'cookies of the app keep their order, and ours joins them',
    headers((name, value) => (name === 'set-cookie' ? [value].flat().slice(-1) : value)),
  ],
  [
    'an array of the app that collects cookies',
    'cookies of the app keep their order, and ours joins them',
    headers((name, value) => {
      if (name === 'set-cookie' && Array.isArray(value) && value.length > 2) twoCookies.push(value.at(-1))
      return value
    }),
  ],
  [
    'whole sessions that overwrite each other',
    'parallel writers of different values all keep their change',
    stores((store) => {
      const { patch } = store
      let last = 0
      store.patch = (id, change) => {
        const now = performance.now()
        const isTooSoon = now - last < 5
        last = now
        return isTooSoon ? 'applied' : patch(id, change)
      }
    }),
  ],
  [
    'a token that stays at sign-in',
    'signing in keeps the values and gives a new token; the old one is dead',
    {
      before(request, _response, next) {
        if (request.url === '/login') request.url = '/views'
        next()
      },
    },
  ],
  [
    'a cookie that stays at sign-out',
    'signing out ends the session, clears the cookie, and kills the token',
    headers((name, value) => (name === 'set-cookie' && String(value).includes('Max-Age=0') ? undefined : value)),
  ],
  [
    'headers that the engine does not see',
    'a change that a page of another origin asks for is refused, where that is asked',
    {
      before(request, _response, next) {
        delete request.headers.origin
        delete request.headers['sec-fetch-site']
        next()
      },
    },
  ],
  ...(['origin', 'sec-fetch-site'] as const).map((lost): [string, AdapterCheckName, Sabotage] => [
    `an engine that does not see ${lost}`,
    'a change that a page of another origin asks for is refused, where that is asked',
    {
      before(request, _response, next) {
        delete request.headers[lost]
        next()
      },
    },
  ]),
  [
    'a host without its port',
    'a change that a page of another origin asks for is refused, where that is asked',
    {
      before(request, _response, next) {
        request.headers.host = request.headers.host?.replace(/:.*/, '')
        next()
      },
    },
  ],
  ...(
    [
      'a text is saved before it is seen',
      'a page with cookies is saved before it is seen',
      'a redirect is saved before it is seen',
      'an empty answer is saved before it is seen',
      'a stream is saved before it is seen',
      'a sign-in is saved before it is seen',
      'a sign-out is carried out before it is seen',
    ] as const
  ).map((check): [string, AdapterCheckName, Sabotage] => [
    'an answer that does not wait',
    check,
    stores((store) => {
      const { create, patch, delete: end } = store
      store.create = (...args) => {
        void create(...args)
        return true
      }
      store.patch = (...args) => {
        void patch(...args)
        return 'applied'
      }
      store.delete = (...args) => {
        void end(...args)
        return true
      }
    }),
  ]),
  [
    'changes after the first byte that are not saved',
    'what is set while the answer is on its way is saved',
    commits((commit) => (visit) => ((visit.request as Exchange).response.headersSent ? undefined : commit(visit))),
  ],
  ...(['create', 'write', 'delete'] as const).map((verb): [string, AdapterCheckName, Sabotage] => [
    'a failure that is kept quiet',
    verb === 'delete'
      ? 'a store that cannot delete gives 503, and the cookie stays'
      : `a store that cannot ${verb} gives 503 and nothing of the answer`,
    commits((commit) => (visit) => {
      try {
        const saved = commit(visit)
        return isPromise(saved) ? saved.then(undefined, () => {}) : saved
      } catch {
        return undefined
      }
    }),
  ]),
  [
    'a failure that looks like success',
    'a store that cannot read gives 503',
    {
      onError(_error, _request, response, _next) {
        response.end('fine')
      },
    },
  ],
  [
    'a failure with the headers of the page',
    'a store that cannot create gives 503 and nothing of the answer',
    {
      onError(_error, _request, response, _next) {
        response.writeHead(503, { ETag: '"page"' }).end()
      },
    },
  ],
  [
    'an outage that is seen although it was declared harmless',
    'an outage that is declared harmless shows an empty session',
    {
      engine(visits) {
        const { openIfBrought, openEmpty } = visits
        visits.openIfBrought = async (request) => {
          const visit = (await openIfBrought(request)) ?? openEmpty(request)
          if (visit.outage) throw visit.outage
          return visit
        }
      },
    },
  ],
  [
    'a stream that loses a part',
    'a stream arrives whole',
    {
      before(_request, response, next) {
        let parts = 0
        const { write } = response
        response.write = ((...args: Parameters<typeof write>) => {
          return parts++ === 50 ? true : write.apply(response, args)
        }) as typeof write
        next()
      },
    },
  ],
  [
    'a client that leaves and takes what was set with it',
    'a client that leaves before the answer loses nothing that was set',
    commits((commit) => (visit) => ((visit.request as Exchange).response.destroyed ? undefined : commit(visit))),
  ],
  ...(
    [
      'an upload that breaks off harms nobody',
      'a client that leaves in the middle of an answer harms nobody',
      'a handler that fails after its first part breaks the answer off',
    ] as const
  ).map((check): [string, AdapterCheckName, Sabotage] => {
    const gone = new WeakSet<object>()
    return [
      'a server that does not get over it',
      check,
      {
        before(request, response, next) {
          const { server } = request.socket as unknown as { server: object }
          response.on('close', () => {
            if (!response.writableFinished) gone.add(server)
          })
          if (gone.has(server)) response.writeHead(500).end()
          else next()
        },
      },
    ]
  }),
  [
    'a handler that throws and is not heard',
    'a handler that throws gives the error page of the framework',
    {
      onError(_error, _request, response, _next) {
        response.end()
      },
    },
  ],
  [
    'a broken answer that looks whole',
    'a handler that fails after its first part breaks the answer off',
    {
      onError(_error, _request, response, _next) {
        response.end()
      },
    },
  ],
  [
    'a connection for each request',
    'a connection that is kept open serves one visitor after the other',
    {
      before(_request, response, next) {
        response.setHeader('Connection', 'close')
        next()
      },
    },
  ],
  [
    'a token that is lost',
    'with a header for the token, it comes back in one, and no cookie is set',
    headers((name, value) => (name === 'session-token' ? undefined : value)),
  ],
  [
    'an answer for whoever has another token',
    'with a header for the token, answers vary by it, and a cookie counts for nothing',
    headers((name, value) => (name === 'vary' ? 'Cookie' : value)),
  ],
  [
    'an end that the client is not told',
    'with a header for the token, signing in replaces it, and signing out empties it',
    headers((name, value) => (name === 'session-token' && value === '' ? undefined : value)),
  ],
  [
    'a token over plain HTTP',
    'with a header for the token, none is sent over what looks like plain HTTP from elsewhere',
    {
      before(request, _response, next) {
        Object.assign(request, { secure: true })
        next()
      },
    },
  ],
  [
    'early hints that wait',
    'early hints do not wait for the session',
    {
      before(_request, response, next) {
        response.writeEarlyHints = () => {}
        next()
      },
    },
  ],
  [
    'trailers that are lost',
    'trailers follow the body',
    {
      before(_request, response, next) {
        response.addTrailers = () => {}
        next()
      },
    },
  ],
]

describe('the checks catch', () => {
  test.each(broken)('%s: %s', async (_, name, sabotage) => {
    const check = checksOf(sabotage).find((each) => each.name === name)
    const cookies = [...twoCookies]
    await expect(check?.run()).rejects.toThrow()
    twoCookies.splice(0, twoCookies.length, ...cookies)
  })
})

describe('deviations', () => {
  test('run, and must fail', async () => {
    const name = 'trailers follow the body'
    const start = (sessions: Sessions) => {
      const app = connect()
      app.use(session(sessions))
      app.use((request, response) => void nodeRoutes(request, response, (request as Request).session))
      return served(app)
    }
    const deviations = [{ check: name, reason: 'made up' } as const]
    const deviating = adapterChecks({ start, routes: ['trailers'], deviations }).find((check) =>
      check.name.includes(name),
    )
    expect(deviating?.name).toBe('trailers follow the body [deviates: made up]')
    await expect(deviating?.run()).rejects.toThrow(
      'the adapter passes "trailers follow the body": remove the deviation',
    )
    const without = adapterChecks({
      start: () => served((_, response) => void response.end()),
      routes: ['trailers'],
      deviations,
    })
    await without.find((check) => check.name.includes(name))?.run()
  })

  const start = () => Promise.reject(new Error('not reached'))

  test('must name a check, and a reason', () => {
    const deviations = [{ check: 'no such check' as AdapterCheckName, reason: 'none' }]
    expect(() => adapterChecks({ start, deviations })).toThrow('"no such check", which is not a check of this adapter')
    const unreasoned = [{ check: 'reading is free' as const, reason: ' ' }]
    expect(() => adapterChecks({ start, deviations: unreasoned })).toThrow('has no reason')
    const optional = [{ check: 'trailers follow the body' as const, reason: 'it has none' }]
    expect(() => adapterChecks({ start, deviations: optional })).toThrow('which is not a check of this adapter')
    expect(() => adapterChecks({ start, routes: ['nowhere' as 'hints'] })).toThrow(
      '"nowhere", which is not an optional',
    )
  })
})

test.each([
  [{ route: [] }, /^adapterChecks: "route" is not an option; there are "start", /],
  [{ start: undefined }, /^start of adapterChecks must be a function; got undefined/],
  [{ routes: 'hints' }, /^routes of adapterChecks must be a list; got "hints"/],
  [{ store: {} }, /^store of adapterChecks must be a function/],
  [{ deviations: {} }, /^deviations of adapterChecks must be a list/],
])('the options %j are refused', (wrong, message) => {
  const refusal = expect.objectContaining({ code: 'invalid_option', message: expect.stringMatching(message) })
  const start = () => Promise.reject(new Error('not reached'))
  expect(() => adapterChecks({ start, ...wrong } as never)).toThrow(refusal)
})

test.each([undefined, {}, { port: '80' }])('%j is no app that listens', async (app) => {
  let closed = 0
  const start = () => (app && { ...app, close: () => closed++ }) as never
  const [check] = adapterChecks({ start })
  const message = expect.stringMatching(
    /^"port" of what start of adapterChecks returns must be a whole number from 1; got /,
  )
  await expect(check?.run()).rejects.toThrow(expect.objectContaining({ code: 'invalid_option', message }))
  expect(closed).toBe(app ? 1 : 0)
})

test('no options are refused', () => {
  const refusal = expect.objectContaining({ code: 'invalid_option' })
  expect(() => adapterChecks(undefined as never)).toThrow(refusal)
})

function withCookies(value: unknown, change: (cookie: string) => string): unknown {
  return Array.isArray(value) ? value.map(change) : value
}
