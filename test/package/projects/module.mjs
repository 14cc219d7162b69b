// Run by package.test.ts in a project that has nothing but Sojourn, with the public paths as arguments.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { createSessions, SojournError } from 'sojourn'
import { memoryStore } from 'sojourn/stores/memory'

const require = createRequire(import.meta.url)

for (const path of process.argv.slice(2)) {
  const imported = await import(path)
  assert.ok(Object.keys(imported).length > 0, `${path} exports nothing`)
  // One copy at run time: however it was loaded, an error or a session is the same class to both.
  const required = require(path)
  assert.ok(required === imported || required === imported['module.exports'], `${path} is loaded twice`)
}

const sessions = createSessions({ store: memoryStore() })
const made = await sessions.create({ userId: 'ada', values: { views: 1 } })
assert.equal(made.session.userId, 'ada')
assert.throws(() => createSessions({ stoer: memoryStore() }), SojournError)
await sessions.close()
