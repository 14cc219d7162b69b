/** What can go wrong with a server and the way to it. */
import { setTimeout as delay } from 'node:timers/promises'
import type { TcpProxy } from '../harness/proxy.js'
import type { Server } from '../harness/server.js'
import type { Exceptions, Fault } from './contestant.js'
import { storeTimeout } from './traffic.js'

/** The server is killed and started again. It has to keep what it answered, unless `exceptions` say what it may lose. */
export function restarts(server: Server, exceptions: Exceptions = {}): Fault {
  return {
    name: 'the server is killed and started again',
    short: true,
    exceptions,
    async strike() {
      await server.kill()
      await delay(300)
      await server.restart()
    },
  }
}

/** The network is slow, stands still, breaks, loses answers. */
export function networkFaults(proxy: TcpProxy): Fault[] {
  const fault = (name: string, strike: () => Promise<void>, short = false): Fault => ({
    name,
    short,
    async strike() {
      await strike()
      proxy.restore()
    },
  })
  return [
    fault('the network is slow', async () => {
      proxy.delay(40)
      await delay(1000)
    }),
    fault('the network stands still', async () => {
      proxy.stall()
      await delay(1.5 * storeTimeout)
    }),
    fault(
      'connections are cut',
      async () => {
        proxy.cut()
        await delay(100)
      },
      true,
    ),
    fault('answers are lost, then connections are cut', async () => {
      proxy.dropReplies()
      await delay(100)
      proxy.cut()
    }),
  ]
}
