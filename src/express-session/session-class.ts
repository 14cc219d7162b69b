// By itself, so that index.ts can export it by a star without the rest of its module.
export { Session } from './session.js'
