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
