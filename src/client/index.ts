/**
 * What a page in the browser needs of its visitor's session. Uses nothing but the browser itself.
 *
 * @module
 */

declare const document: EventTarget & { readonly baseURI: string; readonly visibilityState: 'visible' | 'hidden' }

/** What the status route of the server tells: `sessions.status(session)`. */
export interface SessionStatus {
  /** Whether somebody is signed in. */
  readonly signedIn: boolean
  /**
   * When they signed in, or were taken over by `accept`, in milliseconds since the epoch; `null` for a guest. Another time may
   * be another user.
   */
  readonly signedInAt: number | null
  /** Milliseconds until the session ends if it is not used; `null` where there is none. */
  readonly expiresIn: number | null
}

/** What `sessionClient` takes. */
export interface SessionClientOptions {
  /** The address of the status route, such as `'/session'` or `'https://api.example.com/session'`. */
  status: string
  /** Called with the first status, and with each sign-in and sign-out, in every tab. */
  onChange?(status: SessionStatus): void
  /**
   * Called once when the session is about to end for want of use, with the milliseconds left; and with `null` if it was
   * used after all, in this tab or another, or ended.
   */
  onExpiring?(milliseconds: number | null): void
  /** How long before the end `onExpiring` is called, in milliseconds. Default 60 000. */
  warnBefore?: number
}

/** A page's view of its visitor's session. */
export interface SessionClient {
  /** The status as last told; `null` before the first answer. */
  readonly status: SessionStatus | null
  /**
   * `fetch`, with the visitor's cookies for the origin of the status route, and for no other. An answer of 401 makes the
   * page look at its status again.
   */
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>
  /** Asks the server. Asked many times at once, it asks once. Rejects when the server cannot be reached. */
  refresh(): Promise<SessionStatus>
  /** Call it after a sign-in or sign-out: this page, and all other tabs, look again. */
  changed(): Promise<SessionStatus>
  /** Ends the warnings and the calls of `onChange`. What is asked for afterwards is still answered. */
  close(): void
}

/** Timers of a browser hold 31 bits, and fire at once for more. */
const longestWait = 2 ** 31 - 1
/** How often to look while a warning stands, since another tab may use the session, and soon after a look that failed. */
const soon = 5_000
/** How long to wait at most after looks that failed, each time for twice as long. */
const longestPause = 120_000

/**
 * Follows the session of a page's visitor, in all of their tabs. Make one for each page, and keep it. For the browser only: it
 * throws where a page is rendered on a server.
 */
export function sessionClient({
  status: address,
  onChange,
  onExpiring,
  warnBefore = 60_000,
}: SessionClientOptions): SessionClient {
  if (typeof document === 'undefined') {
    throw new Error(
      'sessionClient() is for the browser: call it in what runs there alone, such as useEffect or onMount',
    )
  }
  const route = new URL(address, document.baseURI)
  const tabs = new BroadcastChannel(`sojourn ${route.href}`)
  let status: SessionStatus | null = null
  let asking: Promise<SessionStatus> | undefined
  let askingNext: Promise<SessionStatus> | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let pause = soon
  let warned = false
  let closed = false
  let isTold = false

  async function ask(): Promise<SessionStatus> {
    const response = await fetch(route, { credentials: 'include', cache: 'no-store' })
    if (!response.ok) throw new Error(`The status route answered ${response.status}`)
    const now = (await response.json()) as SessionStatus | null
    if (typeof now?.signedIn !== 'boolean') throw new Error('The status route answered with no sessions.status()')
    if (!closed) take(now)
    return now
  }

  function take(now: SessionStatus): void {
    const before = status
    status = now
    pause = soon
    if (before?.signedIn !== now.signedIn || before.signedInAt !== now.signedInAt) {
      if (before && !isTold) tellTabs()
      // By itself, so that an error in it is seen and harms nothing here.
      queueMicrotask(() => onChange?.(now))
    }
    watch(now)
  }

  /** A channel that was closed throws. */
  function tellTabs(): void {
    if (!closed) tabs.postMessage(0)
  }

  function refresh(): Promise<SessionStatus> {
    asking ??= ask().finally(() => {
      asking = undefined
      isTold = false
    })
    return asking
  }

  /** As `refresh`, but an answer that is under way already may be older than what happened, and does not do. */
  function refreshAfter(): Promise<SessionStatus> {
    if (!asking) return refreshTold()
    askingNext ??= asking
      .catch(() => undefined)
      .then(() => {
        askingNext = undefined
        return refreshTold()
      })
    return askingNext
  }

  /** As `refresh`, where all tabs were told of a change by one of them: what this page finds, it need not tell. */
  function refreshTold(): Promise<SessionStatus> {
    isTold = true
    return refresh()
  }

  /** However many requests were refused at the end of a session, one look is enough. */
  async function refused(): Promise<void> {
    await asking?.catch(() => undefined)
    if (status?.signedIn !== false) await refresh()
  }

  /** Looks again before the end, since another tab may have used the session; then warns; then sees it end. */
  function watch({ signedIn, expiresIn }: SessionStatus): void {
    clearTimeout(timer)
    const left = signedIn ? expiresIn : null
    const isExpiring = left !== null && left <= warnBefore
    if (isExpiring !== warned) {
      warned = isExpiring
      queueMicrotask(() => onExpiring?.(isExpiring ? left : null))
    }
    if (left !== null) lookIn((isExpiring ? Math.min(left, soon) : left - warnBefore) + 500)
  }

  function lookIn(milliseconds: number): void {
    timer = setTimeout(look, Math.min(milliseconds, longestWait))
  }

  function look(): void {
    refresh().catch(() => {
      clearTimeout(timer)
      // Pages that have lost their server do not all come back at the same moment.
      if (!closed) lookIn(pause * (0.5 + Math.random() / 2))
      pause = Math.min(2 * pause, longestPause)
    })
  }

  /** The timers of a machine that slept come late. */
  function lookIfVisible(): void {
    if (document.visibilityState === 'visible') look()
  }

  tabs.onmessage = () => {
    refreshAfter().catch(() => undefined)
  }
  document.addEventListener('visibilitychange', lookIfVisible)
  look()

  return {
    get status() {
      return status
    },

    async fetch(input, init) {
      const url = new URL(input instanceof Request ? input.url : input, document.baseURI)
      const isOurs = url.origin === route.origin
      const response = await fetch(input, { ...init, credentials: isOurs ? 'include' : 'omit' })
      if (isOurs && response.status === 401) refused().catch(() => undefined)
      return response
    },

    refresh,

    changed() {
      tellTabs()
      return refreshAfter()
    },

    close() {
      closed = true
      clearTimeout(timer)
      document.removeEventListener('visibilitychange', lookIfVisible)
      tabs.close()
    },
  }
}
