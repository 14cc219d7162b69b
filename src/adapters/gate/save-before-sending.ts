import { noteUse, type ResponseHeaders } from '../../core/response-head.js'
import type { Exchange } from './exchange.js'
import { restore } from './head.js'
import { holdConnection, letGo } from './held-connection.js'

/**
 * Saves where a framework waits before it sends, so that a failure takes the framework's own way; `head` is the
 * framework's view of the response. A failure, always told by a promise, leaves the response as it was on entry.
 */
export function saveBeforeSending(exchange: Exchange, head: ResponseHeaders = exchange): PromiseLike<void> | undefined {
  const { visit, response } = exchange
  if (!visit || exchange.isGivenUp || response.headersSent) return undefined
  if (visit.wasUsed) noteUse(visit, head)
  if (!visit.needsCommit) return undefined
  const saved = exchange.commit()
  if (!saved) return undefined
  const connection = holdConnection(response)
  return saved.then(
    () => letGo(connection),
    (error: unknown) => {
      letGo(connection)
      // Once: where a handler has sent two replies, the answer to the first is under way.
      if (!exchange.isGivenUp && !response.headersSent) restore(response, exchange.entry)
      exchange.isGivenUp = true
      throw error
    },
  )
}
