import type { Socket } from 'node:net'
import { ServerResponse } from './node-http.js'

/** The answer for which a connection waits, and the method that was found on it. */
const answerOf = Symbol('sojourn.answer')
const foundOf = Symbol('sojourn.destroy')
/** For a store that never answers, or a client that does not read. Milliseconds. */
const patience = 5000

export type HeldConnection = Socket & { [answerOf]?: ServerResponse | undefined; [foundOf]?: Socket['destroy'] }

/**
 * Keeps a connection until an answer has left that is complete, and that Node would have sent by now: Express breaks the
 * connection off where a handler fails after its end, such as one that answers twice.
 */
export function holdConnection(response: object): HeldConnection | null {
  const socket: HeldConnection | null = response instanceof ServerResponse ? response.socket : null
  if (!socket) return null
  // Once, whoever stands on it since.
  if (!socket[foundOf]) Object.assign(socket, { [foundOf]: socket.destroy, destroy })
  socket[answerOf] = response as ServerResponse
  return socket
}

export function letGo(socket: HeldConnection | null): void {
  if (socket) socket[answerOf] = undefined
}

/** One for all connections. With an error, once the client has gone, or asked again, nothing is to be waited for. */
function destroy(this: HeldConnection, error?: Error): Socket {
  const answer = this[answerOf]
  if (error || !answer || !this.writable) return Reflect.apply(this[foundOf] as Socket['destroy'], this, [error])
  letGo(this)
  const again = () => this.destroy()
  answer.once('finish', again)
  setTimeout(again, patience).unref?.()
  return this
}
