import { type CookieForm, clearCookie, cookieValues, isOursAlone, setCookie } from '../../core/cookie.js'
import type { SealedSession } from '../../core/cookie-store.js'
import { SojournError } from '../../core/errors.js'
import { after } from '../../core/guarded-store.js'
import { type Seal, sealedLength } from '../../core/seal.js'
import {
  type Awaitable,
  holds,
  type PatchOutcome,
  patched,
  type SessionPatch,
  type SessionRecord,
  type SessionStore,
} from '../../core/store.js'
import { parseToken, type Token, tokenText } from '../../core/token.js'
import { changesValues, inOrder } from './in-order.js'
import { keptPart, onlyOwn, withoutOwn } from './revocation-record.js'

/** How many cookies a session may take: about 8 KB of plain text. Servers accept 8 to 16 KB of headers. */
const maxCookies = 3
/** What goes into one, with room for a name within the 4096 bytes of RFC 6265bis, section 5.6. */
const chunkLength = 3900
const chunk = /.{1,3900}/g
/** As long as each token is. */
const anyToken = '-'.repeat(64)
/** Room for what the engine may come to note in a session: a renewal, when it was used last, from where, and that it is doubted. */
const room = '-'.repeat(440)

export class SessionInCookies implements SealedSession {
  readonly inOrder = inOrder
  readonly list?: NonNullable<SessionStore['list']>
  readonly #seal: Seal
  readonly #revocation: SessionStore | null
  readonly #form: CookieForm
  /** How many cookies the request brought for it. */
  #cookiesSeen = 0
  #id: string | null = null
  #record: SessionRecord | null = null
  #isChanged = false

  constructor(seal: Seal, revocation: SessionStore | null, form: CookieForm) {
    this.#seal = seal
    this.#revocation = revocation
    this.#form = form
    if (revocation?.list) this.list = revocation.list.bind(revocation)
  }

  open(header: string, now: number): Token[] | null {
    const firsts = cookieValues(header, this.#form.name)
    // Who plants one can plant more, to hide the visitor's own behind them.
    if (firsts.length > 2 && !isOursAlone(this.#form)) return null
    const opened = firsts.slice(0, 2).flatMap((first) => this.#unseal(header, first) ?? [])
    const living = opened.filter(({ record }) => record.expiresAt > now)
    const found = living[0] ?? opened[0]
    if (!found) return []
    const isAmbiguous = living.some(({ token }) => token.id !== found.token.id)
    if (isAmbiguous && !isOursAlone(this.#form)) return null
    this.#id = found.token.id
    this.#record = found.record
    this.#cookiesSeen = found.cookies
    return [found.token]
  }

  #unseal(header: string, first: string): { token: Token; record: SessionRecord; cookies: number } | null {
    const [, count, start] = /^([1-9])\.(.+)$/.exec(first) ?? []
    const cookies = Number(count)
    if (!start || cookies > maxCookies) return null
    // Each part may come twice, as the first does: one of them may have been set by somebody else.
    let sealed = [start]
    for (let index = 1; index < cookies; index++) {
      const next = cookieValues(header, nameOf(this.#form, index)).slice(0, 2)
      sealed = sealed.flatMap((before) => next.map((part) => before + part))
    }
    let text: string | null = null
    for (const whole of sealed) text ??= this.#seal.unseal(whole, this.#form.name)
    if (text === null) return null
    const { token, record } = JSON.parse(text) as { token: string; record: SessionRecord }
    // In a cookie that was sealed by an earlier version they are an object.
    if (Array.isArray(record.values)) record.values = Object.fromEntries(record.values)
    const parsed = parseToken(token)
    return parsed && { token: parsed, record, cookies }
  }

  setCookies(token: Token | null, seconds: number | undefined, isNewToken: boolean): string[] {
    if (!this.#isChanged && !isNewToken) return []
    this.#isChanged = false
    const chunks = token ? this.#chunks(token, this.#form) : []
    const cookies = chunks.map((chunk, index) => setCookie(formOf(this.#form, index), chunk, seconds))
    for (let index = chunks.length; index < this.#cookiesSeen; index++)
      cookies.push(clearCookie(formOf(this.#form, index)))
    this.#cookiesSeen = chunks.length
    return cookies
  }

  cookiePairs(token: Token, form: CookieForm): string[] {
    return this.#chunks(token, form).map((chunk, index) => `${nameOf(form, index)}=${chunk}`)
  }

  #chunks(token: Token, form: CookieForm): string[] {
    if (!this.#record) return []
    const sealed = this.#seal.seal(contentOf(tokenText(token), this.#record), form.name)
    const chunks = sealed.match(chunk) ?? []
    return chunks.map((part, index) => (index === 0 ? `${chunks.length}.${part}` : part))
  }

  /** The engine's own values, owner and expiry stand in the revocation record, where there is one. */
  read(id: string): Awaitable<SessionRecord | null> {
    const revocation = this.#revocation
    const record = this.#id === id ? this.#record : null
    if (!revocation || !record) return record
    return after(revocation.read(id), (kept) => {
      if (!kept || this.#id !== id || !this.#record) return null
      this.#record = { ...kept, values: { ...withoutOwn(this.#record.values), ...kept.values } }
      return this.#record
    })
  }

  create(id: string, record: SessionRecord): Awaitable<boolean> {
    const revocation = this.#revocation
    refuseTooLarge(record)
    const free = revocation ? revocation.create(id, { ...record, values: onlyOwn(record.values) }) : true
    return after(free, (isFree) => {
      if (isFree) this.#become(id, record)
      return isFree
    })
  }

  patch(id: string, patch: SessionPatch): Awaitable<PatchOutcome> {
    const record = this.#id === id ? this.#record : null
    const { now, when = {} } = patch
    if (!record || record.expiresAt <= now) return 'absent'
    const revocation = this.#revocation
    // What the server keeps, the server compares.
    if (!holds(record.values, revocation ? withoutOwn(when) : when)) return 'conflict'
    const next = patched(record, patch)
    // What makes it smaller is never refused for want of room.
    const needsRoom = (changesValues(patch) || patch.userId !== undefined) && lengthOf(next) > lengthOf(record)
    if (needsRoom) refuseTooLarge(next)
    else contentOf(anyToken, next)
    return after(revocation ? patchKept(revocation, id, patch) : 'applied', (outcome) => {
      if (outcome === 'applied') this.#become(id, next)
      return outcome
    })
  }

  delete(id: string): Awaitable<boolean> {
    const revocation = this.#revocation
    const record = this.#id === id ? this.#record : null
    if (record) this.#become(id, null)
    return revocation ? revocation.delete(id) : record !== null
  }

  #become(id: string, record: SessionRecord | null): void {
    this.#id = id
    this.#record = record
    this.#isChanged = true
  }
}

/** Where it keeps nothing of a change, the server is asked all the same: what has ended is not to be reported as saved. */
function patchKept(revocation: SessionStore, id: string, patch: SessionPatch): Awaitable<PatchOutcome> {
  const part = keptPart(patch)
  const { set, unset, when, ...facts } = part
  const namesMore = Object.keys({ ...set, ...facts }).length > 1 // than `now`
  if (namesMore || unset.length > 0) return revocation.patch(id, part)
  return after(revocation.read(id), (kept) => {
    if (!kept || kept.expiresAt <= patch.now) return 'absent'
    return holds(kept.values, when) ? 'applied' : 'conflict'
  })
}

function nameOf(form: CookieForm, index: number): string {
  return index === 0 ? form.name : `${form.name}-${index}`
}
function formOf(form: CookieForm, index: number): CookieForm {
  return { ...form, name: nameOf(form, index) }
}

function lengthOf(record: SessionRecord): number {
  return JSON.stringify(record).length
}

/**
 * What is sealed. Values are pairs of name and text, for V8 mistakes keys with an escape: see `core/json-keys.ts`. Throws
 * `cookie_too_large`.
 */
function contentOf(token: string, record: SessionRecord): string {
  const text = JSON.stringify({ token, record: { ...record, values: Object.entries(record.values) } })
  const length = sealedLength(text)
  if (length <= maxCookies * chunkLength) return text
  throw new SojournError(
    'cookie_too_large',
    `The session takes ${length} bytes sealed, of at most ${maxCookies * chunkLength}. Keep less in it`,
  )
}

/**
 * Before the revocation store is asked, so that a session that is refused stays as it was; and with room for what the engine
 * notes by itself, so that no page fails for that later.
 */
function refuseTooLarge(record: SessionRecord): void {
  contentOf(anyToken, { ...record, values: { ...record.values, __room: room } })
}
