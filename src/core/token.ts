import { createHmac, hash, timingSafeEqual } from 'node:crypto'
import { noteIn } from './own-names.js'
import { randomText } from './random.js'
import { type SessionRecord, textOf } from './store.js'

/**
 * What the client holds: 64 base64url characters, of which 24 name the session for life and 40 are secret. The name is
 * 144 random bits, safe to show and to log, and worth nothing alone. The secret is 240 random bits (ASVS 7.2.3 asks
 * for 128) and is stored only as its SHA-256.
 */
export interface Token {
  readonly id: string
  readonly secret: string
}

const idLength = 24
const secretLength = 40
const shape = /^[\w-]{64}$/

/** A new name and a new secret. Not parts of one text: who keeps the name would keep the secret with it, in memory. */
export function mintToken(): Token {
  return { id: randomText(18), secret: mintSecret() }
}

/** A new secret under the same name. */
export function mintSecret(): string {
  return randomText(30)
}

/** Reads a token that a client sent; `null` unless it has the shape of one, so that other text costs no store call. */
export function parseToken(text: string): Token | null {
  return shape.test(text) ? { id: text.slice(0, idLength), secret: text.slice(idLength) } : null
}

/** Whether text could name a session. */
export function isSessionId(text: unknown): text is string {
  return typeof text === 'string' && /^[\w-]{24}$/.test(text)
}

/** Whether text could name a record of any kind: what the contract says of ids. */
export function isRecordId(text: unknown): text is string {
  return typeof text === 'string' && /^[\w-]{1,128}$/.test(text)
}

/** The token as it travels. */
export function tokenText(token: Token): string {
  return token.id + token.secret
}

/** The engine's own values in a record. */
export const tokenName = '__token'
export const renewalName = '__renewal'

/** What a record keeps of a secret: its SHA-256, as JSON text. One string, where a template would leave three in memory. */
export function digestText(secret: string): string {
  return JSON.stringify(hash('sha256', secret, 'base64url'))
}

/** Whether a record keeps the digest of any secret. Without it no client can have been given the record. */
export function hasDigest(record: SessionRecord): boolean {
  return /^"[\w-]{43}"$/.test(String(textOf(record.values, tokenName)))
}

/** What a record keeps of the last change of its secret, under `__renewal`: by a sign-in, or by `renew()`. */
export interface Replacement {
  /** Digest text of the secret before. */
  readonly previous: string
  /** When it was made. */
  readonly at: number
  /** Digest text of the secret before that one: of two changes in a row, as by a password and then a code. */
  readonly before?: unknown
}

/** The same of a scheduled renewal. */
export interface Renewal extends Replacement {
  /** From which, with the secret before, the present secret was derived. */
  readonly nonce: string
  /** When a client first used the present secret; `null` until then. */
  readonly seenAt: number | null
}

/**
 * When the next scheduled renewal is due. A record knows one secret before the present one, so that one has to be past
 * its overlap first: else a request that began with it would lose its write, and its client its session.
 */
export function renewalDueAt(
  every: number,
  overlap: number,
  start: number,
  last: Replacement | Renewal | null,
): number {
  const due = Math.max(start, last?.at ?? 0) + every
  if (!last) return due
  return Math.max(due, isRenewal(last) ? (last.seenAt ?? Number.POSITIVE_INFINITY) + overlap : last.at + longestWay)
}

/**
 * The secret that follows another in a scheduled renewal. It is derived, so that parallel requests, and a client that
 * missed the response, are given the same one; without the old secret the nonce in the record tells nothing.
 */
export function successorOf(secret: string, nonce: string): string {
  return createHmac('sha256', secret).update(nonce).digest('base64url').slice(0, secretLength)
}

/** For how long a request with a token that was replaced may have been on its way. Milliseconds. */
const longestWay = 10_000

/** What a record says of the secret that a client presented. */
export type Recognition = 'current' | 'previous' | 'replaced' | 'stale' | 'unknown'

/**
 * Judges a presented secret, in constant time. `previous` is the secret before a scheduled renewal: good until its
 * successor was seen, plus the overlap. After that it is `stale`, which is a sign of theft. `replaced` is the secret before
 * a sign-in or `renew()`, good for nothing, in a request that was sent before the client had the next one: for ten seconds,
 * and then it is `unknown`.
 */
export function recognize(digest: string, record: SessionRecord, now: number, overlap: number): Recognition {
  if (sameText(digest, textOf(record.values, tokenName))) return 'current'
  const last = replacementOf(record)
  if (!last || !(sameText(digest, last.previous) || sameText(digest, last.before))) return 'unknown'
  if (!isRenewal(last)) return isOver(last, now) ? 'unknown' : 'replaced'
  return last.seenAt === null || now < last.seenAt + overlap ? 'previous' : 'stale'
}

/** The scheduled renewal that a record keeps; `null` where there was none, or where what is kept cannot be read. */
export function renewalOf(record: SessionRecord): Renewal | null {
  const last = replacementOf(record)
  return last && isRenewal(last) ? last : null
}

/** The last change of its secret that a record keeps; `null` as with `renewalOf`. */
export function replacementOf(record: SessionRecord): Replacement | Renewal | null {
  const { previous, before, nonce, at, seenAt } = noteIn(record.values, renewalName)
  if (typeof previous !== 'string' || typeof at !== 'number') return null
  if (typeof nonce !== 'string') return { previous, at, before }
  return { previous, nonce, at, seenAt: typeof seenAt === 'number' ? seenAt : null }
}

/** Whether what a record keeps of a replacement serves nobody any more. */
export function isReplacementOver(record: SessionRecord, now: number): boolean {
  const last = replacementOf(record)
  return last !== null && !isRenewal(last) && isOver(last, now)
}

function isOver({ at }: Replacement, now: number): boolean {
  return now >= at + longestWay
}

function isRenewal(last: Replacement | Renewal): last is Renewal {
  return 'nonce' in last
}

/** A digest's text fits in. Made once: to make them for each comparison costs more than to compare. */
const [left, right] = [Buffer.alloc(48), Buffer.alloc(48)]

function sameText(a: string, b: unknown): boolean {
  if (typeof b !== 'string' || a.length !== b.length || a.length > left.length) return false
  left.write(a, 'latin1')
  right.write(b, 'latin1')
  // Beyond Latin-1 two characters may share a byte.
  return timingSafeEqual(left, right) && a === b
}
