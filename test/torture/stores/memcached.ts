import Memcached from 'memcached'
import { Client as Memjs } from 'memjs'
import { memcachedStore } from '../../../src/stores/memcached.js'
import { startMemcached } from '../../harness/memcached.js'
import { startProxy } from '../../harness/proxy.js'
import type { Contestant } from '../contestant.js'
import { networkFaults, restarts } from '../faults.js'

/** A restart is a cache that is empty again. */
const forgetful = {
  lost: 'the server forgets everything when it starts anew',
  strangers: 'the server forgets everything when it starts anew',
  'wrong errors': 'what was forgotten reads as ended',
}

export const memcached: Contestant = {
  arenas: {
    async 'one server'() {
      const server = await startMemcached({ own: true })
      const proxy = await startProxy(server)
      const address = `${proxy.host}:${proxy.port}`
      return {
        seats: ['memjs', 'memcached', 'memjs', 'memcached'].map((library) => ({ library, address })),
        faults: [restarts(server, forgetful), ...networkFaults(proxy)],
        async stop() {
          await proxy.stop()
          await server.stop()
        },
      }
    },
  },

  async open({ library, address }) {
    if (library === 'memjs') {
      const client = Memjs.create(String(address), { timeout: 2, logger: { log() {} } })
      return { store: memcachedStore({ client }), close: () => client.close() }
    }
    const client = new Memcached(String(address), { retries: 0, retry: 250, failures: 1_000_000 })
    return { store: memcachedStore({ client }), close: () => client.end() }
  },
}
