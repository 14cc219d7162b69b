// Run by package.test.ts in a project that has nothing but Sojourn, with the public paths as arguments.
const assert = require('node:assert/strict')
const { createSessions, SojournError } = require('sojourn')
const { memoryStore } = require('sojourn/stores/memory')

for (const path of process.argv.slice(2)) assert.ok(Object.keys(require(path)).length > 0, `${path} exports nothing`)
assert.equal(typeof require('sojourn/express-session'), 'function')
assert.equal(typeof require('sojourn/express-session').Store, 'function')

async function main() {
  const sessions = createSessions({ store: memoryStore() })
  const made = await sessions.create({ userId: 'ada', values: { views: 1 } })
  assert.equal(made.session.userId, 'ada')
  assert.throws(() => createSessions({ stoer: memoryStore() }), SojournError)
  await sessions.close()
}

main()
