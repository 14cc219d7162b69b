import { createSessions } from 'sojourn'
import { memoryStore } from 'sojourn/stores/memory'
import { expect, test } from 'vitest'

const hour = 3_600_000

test('a federated sign-in lasts as long as the options say, whatever the identity provider’s tokens do', async () => {
  let now = 0
  const sessions = createSessions({
    store: memoryStore(),
    lifetime: { idle: '2h', absolute: '3h' },
    clock: () => now,
  })
  const { cookie } = await sessions.create({ userId: 'alice', method: 'oidc' })
  for (const passed of [1, 2]) {
    now = passed * hour
    const session = await sessions.load({ cookie })
    expect(session.userId).toBe('alice')
    await sessions.commit(session)
  }
  now = 3 * hour
  expect((await sessions.load({ cookie })).userId).toBe(null)
})

test('an access token of another party is no session: who brings it alone is a guest', async () => {
  const sessions = createSessions({ store: memoryStore() })
  const { cookie } = await sessions.create({ userId: 'alice' })
  const headers = { authorization: `Bearer ${cookie.split('=')[1]}` }
  expect((await sessions.load({ headers })).userId).toBe(null)
  expect((await sessions.load({ cookie, headers })).userId).toBe('alice')
})
