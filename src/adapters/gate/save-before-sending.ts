import { noteUse, type ResponseHeaders } from '../../core/response-head.js'
import type { Exchange } from './exchange.js'
import { restore } from './head.js'

/**
 * Saves where a framework waits before it sends, so that a failure takes the framework's own way; `head` is the
 * framework's view of the response. A failure, always told by a promise, leaves the response as it was on entry.
 */
export function saveBeforeSending(exchange: Exchange, head: ResponseHeaders = exchange): PromiseLike<void> | undefined {
  const { visit, response } = exchange
  if (!visit || exchange.isGivenUp || response.headersSent) return undefined
  if (visit.wasUsed) noteUse(visit, head)
  if (!visit.needsCommit) return undefined
  return exchange.commit()?.then(undefined, (error: unknown) => {
    // Once: where a handler has sent two replies, the answer to the first is under way.
    if (!exchange.isGivenUp && !response.headersSent) restore(response, exchange.entry)
    exchange.isGivenUp = true
    throw error
  })
}

/** Lets go of a body that will not be sent, where it comes from a web stream. */
export function cancelBody(body: unknown): void {
  const stream = responseIn(body)?.body ?? body
  if (stream instanceof ReadableStream) stream.cancel().catch(() => {})
}

/** What a handler sent, where that is a Response of the fetch standard, as Fastify tells one. */
export function responseIn(payload: unknown): Response | null {
  const isResponse = typeof payload === 'object' && Object.prototype.toString.call(payload) === '[object Response]'
  return isResponse ? (payload as Response) : null
}
