/**
 * Serves one side in a process of its own, and tells its parent how much CPU time it took.
 *
 *     node bench/serve.ts 'sojourn, SQLite'
 */

import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sides } from './sides.ts'

/** What an app is given. */
export interface Surroundings {
  /** An empty folder, which is removed afterwards. */
  readonly folder: string
  /** The address of the server that the side needs. */
  readonly url: string
}

/**
 * What the parent may ask: `start` begins to count, `stop` answers with the CPU time since, in microseconds; `memory` with
 * the megabytes that are in use after a collection.
 */
export type Question = 'start' | 'stop' | 'memory' | 'leave'
export type Answer =
  | { readonly port: number }
  | { readonly microseconds: number }
  | { readonly started: true }
  | { readonly megabytes: number }

const name = process.argv[2] ?? ''
const side = sides[name]
if (!side) throw new Error(`There is no side "${name}"; there are ${Object.keys(sides).join('; ')}`)

const folder = mkdtempSync(join(tmpdir(), 'sojourn-bench-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
const app = await import(`./apps/${side.app}.ts`)
const server: Server = await app[side.make]({ folder, url: process.env.BENCH_URL ?? '' } satisfies Surroundings)
if (!server.listening) await once(server, 'listening')
const { port } = server.address() as AddressInfo

const tell = (answer: Answer) => process.send?.(answer)
let since = process.cpuUsage()

process.on('message', (question: Question) => {
  if (question === 'start') {
    since = process.cpuUsage()
    tell({ started: true })
  } else if (question === 'stop') {
    const { user, system } = process.cpuUsage(since)
    tell({ microseconds: user + system })
  } else if (question === 'memory') {
    globalThis.gc?.()
    tell({ megabytes: process.memoryUsage().heapUsed / 1e6 })
  } else process.exit()
})
process.once('disconnect', () => process.exit())

if (process.send) tell({ port })
else process.stdout.write(`${name} on http://127.0.0.1:${port}\n`)
