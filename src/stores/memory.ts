/**
 * Sessions in the memory of this process. The engine's own default, so it lives there.
 *
 * @module
 */

export { type MemoryStoreOptions, memoryStore } from '../core/memory-store.js'
