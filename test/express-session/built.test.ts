/** What a user sees of the package as it is built, and not of its source. */
import { createRequire } from 'node:module'
import { inspect } from 'node:util'
import { expect, test } from 'vitest'

test.each(['', 'commonjs/'])('what is printed has its name, from dist/%s', async (kind) => {
  const { default: session } = await import(new URL(`../../dist/${kind}express-session/index.js`, import.meta.url).href)
  const parts = [session.Session, session.Cookie, session.Store, session.MemoryStore]
  expect(parts.map(({ name }) => name)).toEqual(['Session', 'Cookie', 'Store', 'MemoryStore'])
  expect(inspect(new session.Session({ sessionID: 'id' }, { views: 1 }))).toBe('Session { views: 1 }')
  // By this name Express and its observers know the layer.
  expect(session({ secret: 's', resave: false, saveUninitialized: false })).toHaveProperty('name', 'session')
})

test.each(['', 'commonjs/'])(
  'what TypeScript makes of a default import without esModuleInterop works, from dist/%s',
  (kind) => {
    const required = createRequire(import.meta.url)(`../../dist/${kind}express-session/index.js`)
    expect(required.default).toBe(required)
  },
)
