import { memoryStore } from '../../../src/stores/memory.js'
import type { Contestant } from '../contestant.js'

export const memory: Contestant = {
  arenas: {
    // Its sessions are in one process, which has nothing that could fail but itself.
    'one process': async () => ({ seats: [{}], faults: [], stop: async () => {} }),
  },
  async open() {
    return { store: memoryStore(), close() {} }
  },
}
