// Run by Jest, which cannot require ES modules, in a project that has nothing but Sojourn.
const { createSessions, SojournError } = require('sojourn')
const { memoryStore } = require('sojourn/stores/memory')
const expressSession = require('sojourn/express-session')

test('Jest gets the CommonJS build', async () => {
  const sessions = createSessions({ store: memoryStore() })
  const { session } = await sessions.create({ userId: 'ada' })
  expect(session.userId).toBe('ada')
  expect(() => createSessions({ stoer: memoryStore() })).toThrow(SojournError)
  expect(expressSession({ secret: 'keyboard cat', resave: false, saveUninitialized: false })).toBeInstanceOf(Function)
  await sessions.close()
})
