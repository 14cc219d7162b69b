/**
 * A thousand requests at once on one session, each of which counts by `update`: none may be lost.
 *
 *     npm run bench:scale -- one-session --requests 1000
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSessions } from 'sojourn'
import { memoryStore } from 'sojourn/stores/memory'
import { sqliteStore } from 'sojourn/stores/sqlite'
import { quantile } from './numbers.ts'

export async function run({ requests }: { requests: number }): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sojourn-scale-'))
  const stores = { memory: memoryStore(), SQLite: sqliteStore(join(folder, 'sessions.db')) }
  try {
    for (const [name, store] of Object.entries(stores)) {
      const sessions = createSessions<{ count: number }>({ store })
      const { cookie } = await sessions.create({ values: { count: 0 } })
      const visit = { cookie, host: 'localhost', secure: false }
      const times: number[] = []
      const began = performance.now()
      await Promise.all(
        Array.from({ length: requests }, async () => {
          const session = await sessions.load(visit)
          await session.update('count', (count = 0) => count + 1)
          await sessions.commit(session)
          times.push(performance.now() - began)
        }),
      )
      const { count } = await sessions.load(visit)
      if (count !== requests) throw new Error(`${name}: ${requests} requests counted to ${count}`)
      const [half, most] = [quantile(times, 0.5), quantile(times, 0.99)]
      console.log(
        `${name}: ${requests} at once, none lost; half done in ${half.toFixed(0)} ms, 99% in ${most.toFixed(0)} ms`,
      )
      await sessions.close()
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
