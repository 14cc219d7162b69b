/** What an adapter tells of a request. */
export interface RequestFacts {
  /** The `Cookie` header. */
  readonly cookie: string | undefined
  /** The method, in capitals. */
  readonly method: string | undefined
  /** Another header, by its lower-case name. */
  header(name: string): string | undefined
  /** The client's address, as far as the framework trusts what it was told. */
  readonly address: string | undefined
  /** Whether the request came over TLS, as far as the framework trusts what it was told. */
  readonly secure: boolean
  /** The `Host` header. */
  readonly host: string | undefined
  /** Whether the response has begun, so that no cookie can be set any more. */
  readonly headersSent?: boolean
  /** Whether its head is out indeed, and not held back for a save: then the response cannot fail any more. */
  readonly headIsOut?: boolean
  /** Called when the session cannot be read: what answers the error depends on it no less. */
  unread?(error: unknown): void
  /** Called when there may be something to commit: the first time, and each time after the response has begun. */
  mayChange?(): void
}

/** Whether a request asks for a WebSocket. */
export function opensSocket(request: RequestFacts): boolean {
  return /^websocket$/i.test(request.header('upgrade') ?? '')
}
