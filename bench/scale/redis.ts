/**
 * How much memory one session takes in Redis, and how long the sessions of a user with many take to list.
 *
 *     npm run bench:scale -- redis --sessions 20000
 */
import { RedisStore } from 'connect-redis'
import { createClient } from 'redis'
import { createSessions } from 'sojourn'
import { redisStore } from 'sojourn/stores/redis'
import { startRedis } from '../../test/harness/redis.ts'
import { newVisitor } from '../visitor.ts'
import { newId, recordValues } from './fill.ts'
import { quantile } from './numbers.ts'

const day = 86_400_000

export async function run({ sessions: count }: { sessions: number }): Promise<void> {
  const redis = await startRedis({ own: true })
  const client = await createClient({ url: redis.url }).connect()
  try {
    const store = redisStore({ client })
    const peer = new RedisStore({ client })
    const cookie = { originalMaxAge: day, expires: new Date(Date.now() + day), httpOnly: true, path: '/' }
    const record = (userId: string | null) => {
      const now = Date.now()
      return { values: recordValues(), userId, createdAt: now, expiresAt: now + day }
    }
    const bytesOf = async (add: (id: string) => unknown) => {
      const before = await usedMemory(client)
      for (let done = 0; done < count; done += 500) {
        await Promise.all(Array.from({ length: Math.min(500, count - done) }, () => add(newId())))
      }
      return ((await usedMemory(client)) - before) / count
    }
    const table = {
      'connect-redis': await bytesOf((id) => peer.set(id, { cookie, ...newVisitor() } as never)),
      'Sojourn, anonymous': await bytesOf((id) => store.create(id, record(null))),
      'Sojourn, signed in': await bytesOf((id) => store.create(id, record(`user-${id}`))),
    }
    for (const [name, bytes] of Object.entries(table)) {
      console.log(`${name.padEnd(30)} ${bytes.toFixed(0).padStart(6)} bytes a session in Redis`)
    }
    const total = Math.min(count, 10_000)
    for (let done = 0; done < total; done++) await store.create(newId(), record('ada'))
    await list(createSessions({ store }), total)
  } finally {
    client.destroy()
    await redis.stop()
  }
}

async function list(sessions: ReturnType<typeof createSessions>, expected: number): Promise<void> {
  const times: number[] = []
  let found = 0
  for (let after: string | null | undefined; after !== null; ) {
    const began = performance.now()
    const page = await sessions.list({ userId: 'ada', limit: 100, ...(after ? { after } : {}) })
    times.push(performance.now() - began)
    found += page.sessions.length
    after = page.next
  }
  if (found !== expected) throw new Error(`Listed ${found} of ${expected} sessions`)
  const [half, most] = [quantile(times, 0.5), quantile(times, 0.99)]
  console.log(`A user's ${found} sessions in pages of 100: ${half.toFixed(1)} ms a page, p99 ${most.toFixed(1)} ms`)
}

async function usedMemory(client: { info(section: string): Promise<string> }): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await client.info('memory'))?.[1])
}
