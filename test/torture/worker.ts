/** One of the processes: opens a store and does what it is told. */
import { createSessions } from '../../src/index.js'
import { audit, type Findings } from './audit.js'
import type { Seat } from './contestant.js'
import { contestants } from './stores.js'
import { drive, type Orders, type Report, type Shared } from './traffic.js'

export type Command =
  | { do: 'open'; store: string; seat: Seat }
  | { do: 'prepare'; doomed: number }
  | { do: 'drive'; orders: Orders }
  | { do: 'stop' }
  | { do: 'audit'; lasting: Shared; reports: Report[] }

export interface Answers {
  open: null
  prepare: { lasting: Shared; doomed: Shared[] }
  drive: Report
  stop: null
  audit: Findings
}

let opened: Awaited<ReturnType<NonNullable<(typeof contestants)[string]>['open']>> | undefined
let stop = () => {}

const handlers = {
  async open({ store, seat }: Extract<Command, { do: 'open' }>) {
    opened = await contestants[store]?.open(seat)
    return null
  },
  async prepare({ doomed }: Extract<Command, { do: 'prepare' }>) {
    const sessions = createSessions({ store: storeHere() })
    const make = async (): Promise<Shared> => {
      const { session, cookie } = await sessions.create()
      return { id: session.id, cookie }
    }
    const lasting = await make()
    return { lasting, doomed: await Promise.all(Array.from({ length: doomed }, make)) }
  },
  drive({ orders }: Extract<Command, { do: 'drive' }>) {
    const over = new Promise<void>((resolve) => {
      stop = resolve
    })
    return drive(storeHere(), orders, over)
  },
  async stop() {
    stop()
    return null
  },
  audit({ lasting, reports }: Extract<Command, { do: 'audit' }>) {
    return audit(storeHere(), lasting, reports)
  },
}

function storeHere() {
  if (!opened) throw new Error('no store is open')
  return opened.store
}

process.on('message', async ({ number, command }: { number: number; command: Command }) => {
  try {
    const answer = await handlers[command.do](command as never)
    process.send?.({ number, answer })
  } catch (error) {
    process.send?.({ number, error: error instanceof Error ? error.stack : String(error) })
  }
})
process.once('disconnect', () => process.exit())
