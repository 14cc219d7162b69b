// Run by Jest, which cannot require ES modules, in a project that has nothing but Sojourn.
const { createServer } = require('node:http')

// As in Jest's environment of a browser, in which a repository with one setting for all runs its server's tests too.
const { setImmediate, TextEncoder } = globalThis
delete globalThis.setImmediate
delete globalThis.TextEncoder
const { createSessions, SojournError } = require('sojourn')
const { storeChecks } = require('sojourn/conformance/store')
const { memoryStore } = require('sojourn/stores/memory')
const expressSession = require('sojourn/express-session')

Object.assign(globalThis, { setImmediate, TextEncoder })

test('Jest gets the CommonJS build', async () => {
  const sessions = createSessions({ store: memoryStore() })
  const { session } = await sessions.create({ userId: 'ada' })
  expect(session.userId).toBe('ada')
  expect(() => createSessions({ stoer: memoryStore() })).toThrow(SojournError)
  expect(expressSession({ secret: 'keyboard cat', resave: false, saveUninitialized: false })).toBeInstanceOf(Function)
  await sessions.close()
})

test('the drop-in serves an app in Jest', async () => {
  const session = expressSession({
    secret: Buffer.from('keyboard cat'),
    resave: false,
    saveUninitialized: false,
    rolling: true,
    cookie: { maxAge: 60_000 },
  })
  const server = createServer((request, response) => {
    session(request, response, (error) => {
      if (error) return response.writeHead(500).end(error.stack)
      request.session.views = (request.session.views ?? 0) + 1
      request.session.save((failure) => response.end(Buffer.from(failure?.stack ?? `${request.session.views} views`)))
    })
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    let cookie = ''
    for (const views of [1, 2, 3]) {
      const response = await fetch(`http://127.0.0.1:${server.address().port}/`, { headers: { cookie } })
      expect(await response.text()).toBe(`${views} views`)
      cookie = response.headers.get('set-cookie').split(';')[0]
      expect(response.headers.get('set-cookie')).toMatch(/^connect\.sid=s%3A.*; Path=\/; Expires=.*; HttpOnly$/)
    }
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})

describe('the checks of a store, where its arrays are not those of Jest, as from native code', () => {
  const makeStore = () => {
    const store = memoryStore()
    return { ...store, list: (page) => structuredClone(store.list(page)) }
  }
  for (const { name, run } of storeChecks({ makeStore, methods: ['list', 'sweep'], shared: false }))
    test(name, run, 60_000)
})
