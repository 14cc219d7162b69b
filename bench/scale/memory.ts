/**
 * How much memory one session takes in the process.
 *
 *     npm run bench:scale -- memory --sessions 100000
 */
import { execFileSync } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { fileURLToPath } from 'node:url'
import expressSession from 'express-session'
import createMemoryStore from 'memorystore'
import { createSessions } from 'sojourn'
import { memoryStore } from 'sojourn/stores/memory'
import { newVisitor } from '../visitor.ts'
import { newId } from './fill.ts'

const day = 86_400_000
const cookie = { originalMaxAge: day, expires: new Date(Date.now() + day), httpOnly: true, path: '/' }

/** What fills each kind of store with one session after the other. All are given the same values. */
const kinds: { readonly [name: string]: (sessions: number) => (id: string) => unknown } = {
  'Map of JSON text': () => {
    const map = new Map<string, string>()
    return (id) => map.set(id, JSON.stringify(newVisitor()))
  },
  'Sojourn, memoryStore': (maxSessions) => {
    const sessions = createSessions({ store: memoryStore({ maxSessions }) })
    return () => sessions.create({ values: newVisitor() })
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

/** Each kind is measured in a process of its own, where nothing that another left behind is collected meanwhile. */
export async function run({ sessions }: { sessions: number }): Promise<void> {
  for (const name of Object.keys(kinds)) {
    const args = ['--expose-gc', fileURLToPath(import.meta.url), name, String(sessions)]
    const bytes = execFileSync(process.execPath, args, { encoding: 'utf8' }).trim()
    console.log(`${name.padEnd(30)} ${bytes.padStart(6)} bytes a session`)
  }
}

async function measure(name: string, sessions: number): Promise<number> {
  const kind = kinds[name]
  if (!kind || !globalThis.gc) throw new Error(`There is no "${name}", or no --expose-gc`)
  const add = kind(sessions + 1000)
  // Compiles what there is to compile, before the first look.
  for (let count = 0; count < 1000; count++) await add(newId())
  const before = await memoryInUse()
  for (let count = 0; count < sessions; count++) await add(newId())
  const after = await memoryInUse()
  // Keeps the store alive until here.
  await add(newId())
  return (after - before) / sessions
}

async function memoryInUse(): Promise<number> {
  // Stores that answer later have to be done, and what they queued has to be gone.
  await new Promise((resolve) => setTimeout(resolve, 200))
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const [, script, name, sessions] = process.argv
if (script === fileURLToPath(import.meta.url)) console.log((await measure(name ?? '', Number(sessions))).toFixed(0))
