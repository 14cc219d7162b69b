import { setImmediate } from 'node:timers'

/** Node's own, also while a test replaces the global one, and where there is none, as in Jest's environment of a browser. */
export const defer = setImmediate
