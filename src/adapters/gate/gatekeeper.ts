/** Whoever needs something done before a response leaves: one object a request. */
export interface Gatekeeper {
  /**
   * Whether there is nothing to save, and all that is to be said stands in the headers that `writeHead` was given: they go
   * straight through then.
   */
  isSaidBy?(headers: unknown): boolean
  /**
   * Called once, when the first byte would leave. Returns undefined when there is nothing to wait for (then nothing is
   * held, all stays synchronous); a promise: everything is held until it settles. A throw or rejection fails the response.
   *
   * @param isEnd whether it is `end` itself that brings the head
   */
  beforeHead(isEnd: boolean): PromiseLike<void> | undefined
  /**
   * Called right after `beforeHead` succeeded with the head still open: sets cookies and headers on the response. (Not by
   * `appendHeader`, which changes an array that a handler gave and may use again.) A throw fails the response.
   */
  writeHeaders(): void
  /**
   * Called once at `end`, or at `close` if the client left first, after the head had left: values changed since. `end`
   * waits for it where it returns a promise. It handles its own errors (never rejects). Not called where `end` itself
   * brought the head and nothing was held: nothing can have changed in between.
   */
  beforeEnd(): PromiseLike<void> | undefined
  /**
   * The response failed before its first byte, and the head of what answers the failure is about to leave: sets what that
   * has to say too.
   */
  noteUse?(): void
  /**
   * The response failed before its first byte; it is as it was on entry, and ready for another. Typically `next(error)`.
   * Never called while a method of the response runs, so that the handler has finished its turn.
   */
  failed(error: unknown): void
}

/** Two keepers as one, each asked in turn. The second may come when the head has left. */
export function together(first: Gatekeeper, second: Gatekeeper): Gatekeeper {
  const inTurn = (saved: PromiseLike<void> | undefined, next: () => PromiseLike<void> | undefined) =>
    saved ? saved.then(next) : next()
  return {
    beforeHead: (isEnd) => inTurn(first.beforeHead(isEnd), () => second.beforeHead(isEnd)),
    writeHeaders() {
      first.writeHeaders()
      second.writeHeaders()
    },
    noteUse() {
      first.noteUse?.()
      second.noteUse?.()
    },
    beforeEnd: () => inTurn(first.beforeEnd(), () => second.beforeEnd()),
    failed: (error) => second.failed(error),
  }
}
