import { hash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Engine } from './engine.js'
import { SojournError } from './errors.js'
import { noteIn } from './own-names.js'
import { randomText } from './random.js'

const lockName = '__lock'
/** How long a process may hold a lock before others take it for dead. Milliseconds. */
const lease = 15_000

/**
 * Runs `task` while no other process, and no other request of this one, runs one for the same user. The lock is a record
 * of the session store, so it is as consistent as the sessions are.
 *
 * @throws `contention` when the lock stays taken for longer than its lease
 */
export function withUserLock<T>(engine: Engine, userId: string, task: () => Promise<T>): Promise<T> {
  const id = hash('sha256', `lock of user ${userId}`, 'base64url').slice(0, 24)
  return engine.inTurn(id, async () => {
    const mine = await acquire(engine, id)
    try {
      return await task()
    } finally {
      try {
        await write(engine, id, mine, null)
      } catch {
        // The lease runs out by itself.
      }
    }
  })
}

async function acquire(engine: Engine, id: string): Promise<string> {
  const { serverStore, settings } = engine
  for (const began = performance.now(); performance.now() - began < lease; ) {
    const now = settings.clock()
    const mine = JSON.stringify({ owner: randomText(16), until: now + lease })
    const record = await serverStore.read(id)
    if (!record) {
      const fresh = { values: { [lockName]: mine }, userId: null, createdAt: now, expiresAt: now + 2 * lease }
      if (await serverStore.create(id, fresh)) return mine
    } else {
      const before = record.values[lockName] ?? null
      const { until } = noteIn(record.values, lockName)
      // One that cannot be read is free: else nobody could sign in as that user while it lies there.
      const isFree = typeof until !== 'number' || until <= now
      if (isFree && (await write(engine, id, before, mine)) === 'applied') return mine
    }
    await delay(2 + Math.random() * 20)
  }
  throw new SojournError('contention', 'Too many sign-ins of one user at once')
}

/** Also on a lock whose record has expired, but is still there: hence the `now` of zero. */
function write({ serverStore, settings }: Engine, id: string, before: string | null, after: string | null) {
  const change = after === null ? { unset: [lockName] } : { set: { [lockName]: after } }
  return serverStore.patch(id, {
    now: 0,
    when: { [lockName]: before },
    expiresAt: settings.clock() + 2 * lease,
    ...change,
  })
}
