/**
 * How much memory one session takes in the process.
 *
 *     npm run bench:scale -- memory --sessions 100000
 */
import { EventEmitter } from 'node:events'
import expressSession from 'express-session'
import createMemoryStore from 'memorystore'
import { memoryStore } from 'sojourn/stores/memory'
import { newVisitor } from '../visitor.ts'
import { newId, recordValues } from './fill.ts'

const day = 86_400_000
const cookie = { originalMaxAge: day, expires: new Date(Date.now() + day), httpOnly: true, path: '/' }

/** What fills each kind of store with one session after the other. All are given the same values. */
const kinds: { readonly [name: string]: (sessions: number) => (id: string) => unknown } = {
  'Map of JSON text': () => {
    const map = new Map<string, string>()
    return (id) => map.set(id, JSON.stringify(newVisitor()))
  },
  'Sojourn, memoryStore': (maxSessions) => {
    const store = memoryStore({ maxSessions })
    const now = Date.now()
    return (id) => store.create(id, { values: recordValues(), userId: null, createdAt: now, expiresAt: now + day })
  },
  'express-session, MemoryStore': () => {
    const store = new expressSession.MemoryStore()
    return (id) => store.set(id, { cookie, ...newVisitor() } as never)
  },
  memorystore: () => {
    const MemoryStore = createMemoryStore({ Store: EventEmitter } as never)
    const store = new MemoryStore({ checkPeriod: day })
    return (id) => store.set(id, { cookie, ...newVisitor() } as never)
  },
}

export async function run({ sessions }: { sessions: number }): Promise<void> {
  if (!globalThis.gc) throw new Error('Run it with --expose-gc')
  for (const [name, kind] of Object.entries(kinds)) {
    globalThis.gc()
    const before = process.memoryUsage()
    const add = kind(sessions)
    for (let count = 0; count < sessions; count++) add(newId())
    // Stores that answer later have to be done, and what they queued has to be gone.
    await new Promise((resolve) => setTimeout(resolve, 200))
    globalThis.gc()
    const after = process.memoryUsage()
    const bytes = (after.heapUsed + after.external - before.heapUsed - before.external) / sessions
    console.log(`${name.padEnd(30)} ${bytes.toFixed(0).padStart(6)} bytes a session`)
    // Keeps the store alive until here.
    add(newId())
  }
}
