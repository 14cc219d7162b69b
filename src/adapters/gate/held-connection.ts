import type { Socket } from 'node:net'
import { ServerResponse } from './node-http.js'

/** The answer for which a connection waits, and the method that was found on it. */
const answerOf = Symbol('sojourn.answer')
const foundOf = Symbol('sojourn.destroy')

type HeldConnection = Socket & { [answerOf]?: ServerResponse | undefined; [foundOf]: (error?: Error) => unknown }

/**
 * Keeps a connection until an answer has left that is complete, and that Node would have sent by now: Express breaks the
 * connection off where a handler fails after its end, such as one that answers twice. Returns what lets go of it.
 */
export function holdConnection(response: object): (() => void) | undefined {
  const socket = response instanceof ServerResponse && (response.socket as HeldConnection | null)
  if (!socket) return undefined
  if (socket.destroy !== destroy) Object.assign(socket, { [foundOf]: socket.destroy, destroy })
  socket[answerOf] = response
  return () => {
    socket[answerOf] = undefined
  }
}

/** One for all connections. With an error, or once the client has gone, nothing is to be waited for. */
function destroy(this: HeldConnection, error?: Error): Socket {
  const answer = this[answerOf]
  if (error || !answer || !this.writable) this[foundOf](error)
  else answer.once('finish', () => this.destroy())
  return this
}
