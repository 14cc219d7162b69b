// Uses sessions and closes nothing: once it has nothing to do, only the background sweep could keep it running. Says how
// many of its expired records are left when it ends.
import { createSessions } from 'sojourn'
import { memoryStore } from 'sojourn/stores/memory'
import { sqliteStore } from 'sojourn/stores/sqlite'

const [kind, moment] = process.argv.slice(2)
const store = kind === 'memory' ? memoryStore() : sqliteStore(kind)
const expired = 3000
for (let index = 0; index < expired; index++) {
  await store.create(`expired-${index}`, { values: {}, userId: null, createdAt: 0, expiresAt: 1 })
}

let left = expired
let begun = () => {}
const sweeping = new Promise((resolve) => {
  begun = resolve
})
const counting = {
  ...store,
  async sweep(before, limit) {
    const removed = await store.sweep(before, limit)
    left -= removed
    begun()
    return removed
  },
}

if (moment === 'while it sweeps') {
  // The minutes until a sweep pass at once, and this process waits for its first batch.
  const { setTimeout } = globalThis
  globalThis.setTimeout = (callback, wait) => setTimeout(callback, wait > 60_000 ? 1 : wait)
  const keepAlive = setInterval(() => {}, 1000)
  sweeping.then(() => clearInterval(keepAlive))
}
const sessions = createSessions({ store: counting })
const { cookie } = await sessions.create({ userId: 'alice' })
const { userId } = await sessions.load({ cookie })
process.on('exit', () => console.log(`${userId}: ${left} of ${expired} left`))
