import type { Socket } from 'node:net'
import { cover, coveringMethods, heldOf } from './covered-methods.js'
import { ServerResponse } from './node-http.js'

/** For a store that never answers, or a client that does not read. Milliseconds. */
const patience = 5000

/** A connection, and the answer for which it waits. */
export type HeldConnection = Pick<Socket, 'writable'> & {
  [heldOf]?: ServerResponse | undefined
  destroy(...args: unknown[]): unknown
  end(...args: unknown[]): unknown
}

/**
 * Keeps a connection until an answer has left that is complete, and that Node would have sent by now: Express breaks the
 * connection off where a handler fails after its end, such as one that answers twice; others end it, having refused a body.
 */
export function holdConnection(response: object): HeldConnection | null {
  const socket = response instanceof ServerResponse ? (response.socket as HeldConnection | null) : null
  if (socket) {
    cover(socket, closings)
    socket[heldOf] = response as ServerResponse
  }
  return socket
}

export function letGo(socket: HeldConnection | null): void {
  if (socket) socket[heldOf] = undefined
}

const closings = coveringMethods({ destroy: close, end: close })

/** For an error, once the client has gone, or asked again, nothing is to be waited for. */
function close(answer: ServerResponse, args: unknown[], name: 'destroy' | 'end', socket: HeldConnection): unknown {
  letGo(socket)
  const again = () => {
    clearTimeout(timer)
    answer.off('finish', again)
    return socket[name](...args)
  }
  if ((name === 'destroy' && args[0]) || !socket.writable) return socket[name](...args)
  const timer = setTimeout(again, patience)
  timer.unref?.()
  answer.on('finish', again)
  return socket
}
