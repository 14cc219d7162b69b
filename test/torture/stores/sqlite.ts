import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sqliteStore } from '../../../src/stores/sqlite.js'
import type { Contestant } from '../contestant.js'

export const sqlite: Contestant = {
  arenas: {
    async 'one file'() {
      const folder = await mkdtemp(join(tmpdir(), 'sojourn-torture-'))
      const seat = { path: join(folder, 'sessions.db') }
      return { seats: [seat, seat, seat, seat], faults: [], stop: () => rm(folder, { recursive: true, force: true }) }
    },
  },
  async open({ path }) {
    const store = sqliteStore(String(path))
    return { store, close: () => store.close?.() }
  },
}
