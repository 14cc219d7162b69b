/**
 * What visitors wait for when the store is in trouble: a slow network to Redis, which must delay only the requests that need
 * the store, and a restart of Redis.
 *
 *     npm run bench:scale -- faults
 */
import { once } from 'node:events'
import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from 'redis'
import { createSessions } from 'sojourn'
import { redisStore } from 'sojourn/stores/redis'
import { startProxy } from '../../test/harness/proxy.ts'
import { startRedis } from '../../test/harness/redis.ts'
import { quantile } from './numbers.ts'

interface Visits {
  readonly times: number[]
  errors: number
}

export async function run(): Promise<void> {
  const redis = await startRedis({ own: true, durable: true })
  const proxy = await startProxy(redis)
  const client = createClient({ url: proxy.url })
  client.on('error', () => {})
  await client.connect()
  const sessions = createSessions<{ count: number }>({ store: redisStore({ client }) })
  const server = createServer(async (incoming, response) => {
    try {
      const visit = { cookie: incoming.headers.cookie ?? '', host: 'localhost', secure: false }
      const session = await sessions.load(visit)
      if (incoming.url === '/change') {
        await session.update('count', (count = 0) => count + 1)
        await sessions.commit(session)
      }
    } catch {
      response.statusCode = 503
    }
    response.end('done')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  try {
    const created = await Promise.all(Array.from({ length: 50 }, () => sessions.create({ values: { count: 0 } })))
    const cookies = created.map(({ cookie }) => cookie)
    await visitAll(port, cookies, 1000)
    tell('all is well', await visitAll(port, cookies, 4000))
    proxy.delay(100)
    tell('each way to Redis 100 ms longer', await visitAll(port, cookies, 4000))
    proxy.restore()
    const restarted = visitAll(port, cookies, 6000)
    await sleep(1500)
    const began = performance.now()
    await redis.restart()
    const away = performance.now() - began
    tell(`Redis restarts, away for ${away.toFixed(0)} ms`, await restarted)
    tell('afterwards', await visitAll(port, cookies, 4000))
  } finally {
    server.closeAllConnections()
    server.close()
    await sessions.close()
    client.destroy()
    await proxy.stop()
    await redis.stop()
  }
}

/** For so long, visitors of three kinds ask side by side, ten of each, every one some fifty times a second. */
async function visitAll(port: number, cookies: readonly string[], milliseconds: number) {
  const [none, read, change] = await Promise.all([
    visits(port, '/read', [], milliseconds),
    visits(port, '/read', cookies, milliseconds),
    visits(port, '/change', cookies, milliseconds),
  ])
  return { 'without a session': none, reading: read, changing: change }
}

async function visits(port: number, path: string, cookies: readonly string[], milliseconds: number): Promise<Visits> {
  const agent = new Agent({ keepAlive: true })
  const result: Visits = { times: [], errors: 0 }
  const until = performance.now() + milliseconds
  const visitor = async (number: number) => {
    await sleep(number * 2)
    for (let count = number; performance.now() < until; count += 10) {
      const cookie = cookies[count % cookies.length]
      const began = performance.now()
      const outgoing = request({ port, path, agent, headers: cookie === undefined ? {} : { cookie } }).end()
      const [response] = await once(outgoing, 'response')
      await once(response.resume(), 'end')
      if (response.statusCode !== 200) result.errors++
      result.times.push(performance.now() - began)
      await sleep(20)
    }
  }
  await Promise.all(Array.from({ length: 10 }, (_, number) => visitor(number)))
  agent.destroy()
  return result
}

function tell(what: string, kinds: Awaited<ReturnType<typeof visitAll>>): void {
  console.log(what)
  for (const [kind, { times, errors }] of Object.entries(kinds)) {
    const [half, most, worst] = [quantile(times, 0.5), quantile(times, 0.99), quantile(times, 1)]
    const waits = `half in ${half.toFixed(1)} ms, 99% in ${most.toFixed(1)} ms, all in ${worst.toFixed(0)} ms`
    console.log(`  ${kind.padEnd(18)} ${waits}; ${errors} of ${times.length} failed`)
  }
}
