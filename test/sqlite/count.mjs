// Counts on one session together with other processes, each step by compare and set, and beside it writes a value of its own.
import { openStore } from './open.mjs'

const [driver, path, name, steps] = process.argv.slice(2)
const store = await openStore(driver, path)
const now = Date.now()
await store.create('shared', { values: { count: '0' }, userId: null, createdAt: now, expiresAt: now + 1e9 })

for (let step = 1; step <= Number(steps); step++) {
  for (let outcome = 'conflict'; outcome !== 'applied'; ) {
    const { count } = store.read('shared').values
    outcome = await store.patch('shared', { now, set: { count: String(Number(count) + 1) }, when: { count } })
    if (outcome === 'absent') throw new Error('the session is gone')
  }
  await store.patch('shared', { now, set: { [name]: String(step) } })
  await store.create(`${name}-${step}`, { values: {}, userId: name, createdAt: now, expiresAt: now + (step % 2) })
  store.sweep(now, 3)
}
store.close?.()
