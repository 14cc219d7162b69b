/**
 * What a page in the browser needs of its visitor's session. Uses nothing but the browser itself.
 *
 * @module
 */

declare const document: EventTarget & { readonly baseURI: string; readonly visibilityState: 'visible' | 'hidden' }
declare const location: { readonly origin: string }
declare const window: EventTarget

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
   * Called once when the session of a signed-in visitor is about to end for want of use, with the milliseconds left; and with
   * `null` if it was used after all, in this tab or another, or ended. Not called for a guest.
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
   * `fetch`, with the visitor's cookies for the origin of the status route, and for no other. Where that is not the page's
   * own, a redirect is followed with cookies wherever it leads. An answer of 401 makes the page look at its status again.
   */
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>
  /**
   * Asks the server. Asked many times at once, it asks once. Rejects when the server cannot be reached, has not answered within
   * 30 seconds, or answers with something else; the page then asks again by itself, until it is answered.
   */
  refresh(): Promise<SessionStatus>
  /** Call it after a sign-in or sign-out: this page, and all other tabs, look again. Rejects as `refresh` does. */
  changed(): Promise<SessionStatus>
  /** Ends the warnings and the calls of `onChange`. What is asked for afterwards is still answered. */
  close(): void
}

/** Timers of a browser hold 31 bits, and fire at once for more. */
const longestWait = 2 ** 31 - 1
/** How often to look while a warning stands, since another tab may use the session, and soon after a look that failed. */
const soon = 5_000
/** How long to wait for an answer: one that never comes must not hold up the looks after it. */
const patience = 30_000
/** How long to wait at most between looks that fail, each time for twice as long. */
const longestPause = 120_000

/**
 * Follows the session of a page's visitor, in all of their tabs. Make one for each page, and keep it. For the browser only: it
 * throws where a page is rendered on a server.
 * @throws `TypeError` for a `warnBefore` that is no number, or less than 0
 */
export function sessionClient({
  status: address,
  onChange,
  onExpiring,
  warnBefore = 60_000,
}: SessionClientOptions): SessionClient {
  if (!(typeof warnBefore === 'number' && warnBefore >= 0)) {
    throw new TypeError(`warnBefore must be a number of milliseconds, at least 0; got ${warnBefore}`)
  }
  if (typeof document === 'undefined') {
    throw new Error(
      'sessionClient() is for the browser: call it in what runs there alone, such as useEffect or onMount',
    )
  }
  const route = new URL(address, document.baseURI)
  // With 'include' a redirect would take cookies along to another origin, and CORS fail where it allows no credentials.
  const credentials = route.origin === location.origin ? 'same-origin' : 'include'
  const tabs = new BroadcastChannel(`sojourn ${route.href}`)
  let status: SessionStatus | null = null
  let asking: Promise<SessionStatus> | undefined
  let askingNext: Promise<SessionStatus> | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let pause = soon
  /** When the session of a signed-in visitor ends, as last told; long ago for a guest. */
  let endsAt = 0
  let warned = false
  let closed = false
  let isTold = false

  async function ask(): Promise<SessionStatus> {
    const response = await fetch(route, { credentials, cache: 'no-store', signal: AbortSignal.timeout(patience) })
    if (!response.ok) throw new Error(`The status route answered ${response.status}`)
    const now: unknown = await response.json()
    if (!isStatus(now)) throw new Error('The status route answered with no sessions.status()')
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
    isTold = false
    watch(now)
  }

  /** A channel that was closed throws. */
  function tellTabs(): void {
    if (!closed) tabs.postMessage(0)
  }

  function refresh(): Promise<SessionStatus> {
    asking ??= ask()
      .catch((error) => {
        lookLater()
        throw error
      })
      .finally(() => {
        asking = undefined
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

  /**
   * As `refresh`, where all tabs were told of a change by one of them: what this page finds, it need not tell. Where the look
   * fails, each tab looks again for itself, so that they do not tell each other in turn.
   */
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
    endsAt = left === null ? 0 : Date.now() + left
    const isExpiring = left !== null && left <= warnBefore
    if (isExpiring !== warned) {
      warned = isExpiring
      queueMicrotask(() => onExpiring?.(isExpiring ? left : null))
    }
    if (left === null) return
    if (isExpiring) lookIn(Math.max(0, Math.min(left, soon)) + 500)
    // A little later than the warning is due, and before the end however short the warning is.
    else lookIn(left - warnBefore + Math.min(500, warnBefore / 2))
  }

  function lookIn(milliseconds: number): void {
    timer = setTimeout(look, Math.min(milliseconds, longestWait))
  }

  /** After a look that failed, whoever asked for it. The warning does not wait for a long pause to be over. */
  function lookLater(): void {
    clearTimeout(timer)
    if (closed) return
    const left = endsAt - Date.now()
    const longest = left > 0 ? Math.max(left - warnBefore, soon) : longestPause
    // Pages that have lost their server do not all come back at the same moment.
    const wait = Math.min(pause, longest) * (0.5 + Math.random() / 2)
    timer = setTimeout(() => {
      pause = Math.min(2 * pause, longestPause)
      look()
    }, wait)
  }

  function look(): void {
    refresh().catch(() => undefined)
  }

  /** The timers of a machine that slept come late, and those of one that had no network for long are far apart. */
  function lookIfVisible(): void {
    if (document.visibilityState === 'visible') look()
  }

  tabs.onmessage = () => {
    refreshAfter().catch(() => undefined)
  }
  document.addEventListener('visibilitychange', lookIfVisible)
  window.addEventListener('online', lookIfVisible)
  look()

  return {
    get status() {
      return status
    },

    async fetch(input, init) {
      const url = new URL(input instanceof Request ? input.url : input, document.baseURI)
      const isOurs = url.origin === route.origin
      const response = await fetch(input, { ...init, credentials: isOurs ? credentials : 'omit' })
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
      window.removeEventListener('online', lookIfVisible)
      tabs.close()
    },
  }
}

/** Without a number for the time left the page would ask without pause. */
function isStatus(answer: unknown): answer is SessionStatus {
  const { signedIn, expiresIn } = (answer ?? {}) as Partial<SessionStatus>
  return typeof signedIn === 'boolean' && (expiresIn === null || typeof expiresIn === 'number')
}
