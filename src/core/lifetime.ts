import { refuseOption } from './option-checks.js'
import { type SessionRecord, textOf } from './store.js'

const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/** A length of time, at most 1000 years: milliseconds as a number, or text such as `'90s'`, `'30m'`, `'2h'`, `'30d'`, `'2w'`. */
export type Duration = number | `${number}${keyof typeof unit}`

/** How long a session lasts. */
export interface LifetimeOptions {
  /** How long a session may lie unused. Default `'24h'`, or `absolute` where that is shorter. (OWASP ASVS 7.3.1) */
  idle?: Duration
  /**
   * How long a session lasts at most, used or not: from sign-in, else from its creation. Default `'30d'`.
   * (OWASP ASVS 7.3.2)
   */
  absolute?: Duration
  /** The same two limits for a session whose `signIn` asked to be remembered. Default `'30d'` for both. */
  remember?: { idle?: Duration; absolute?: Duration }
  /**
   * Replaces the token every so often while the session is used. The old token stays good until its successor was seen,
   * plus `overlap` (default `'60s'`), so that parallel requests and lost responses log nobody out. Until then the token
   * is not replaced again, even where `every` is shorter. Default: off.
   */
  renewal?: Duration | { every: Duration; overlap?: Duration }
}

/**
 * The limits of NIST SP 800-63B-4 for an authentication assurance level: `'aal1'` 30 days (2.1.3, which sets no idle
 * limit; ours of 24 hours stays), `'aal2'` 24 hours and one hour idle (2.2.3), `'aal3'` 12 hours and 15 minutes idle
 * (2.3.3).
 */
export type AssuranceLevel = 'aal1' | 'aal2' | 'aal3'

export interface Limits {
  readonly idle: number
  readonly absolute: number
}

/** {@link LifetimeOptions} in milliseconds. */
export interface Lifetime extends Limits {
  readonly remember: Limits
  /** How often the token is replaced; `null`: never. */
  readonly renewEvery: number | null
  /** Also where nothing is renewed here: another process may. */
  readonly overlap: number
}

const usualOverlap = unit.m
const hour = unit.h
const day = unit.d
const assurance: Record<AssuranceLevel, Limits> = {
  aal1: { idle: 24 * hour, absolute: 30 * day },
  aal2: { idle: hour, absolute: 24 * hour },
  aal3: { idle: 15 * unit.m, absolute: 12 * hour },
}

/** MongoDB and Firestore keep dates, which do not hold any number of milliseconds. */
const longest = 365_000 * unit.d

/** Milliseconds of a duration. Throws `invalid_option`, naming `option`, for anything but a positive length of time. */
export function milliseconds(duration: unknown, option: string): number {
  const text = typeof duration === 'string' ? /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$/.exec(duration) : null
  const value = text ? Number(text[1]) * unit[text[2] as keyof typeof unit] : duration
  if (typeof value === 'number' && value > 0 && value <= longest) return Math.ceil(value)
  const expected = "a positive number of milliseconds or text such as '30m', '2h' or '30d', at most 1000 years"
  refuseOption(option, expected, duration)
}

/** Checks {@link LifetimeOptions} and turns them into milliseconds. */
export function lifetimeOf(options: LifetimeOptions | AssuranceLevel): Lifetime {
  if (typeof options === 'string') {
    if (!Object.hasOwn(assurance, options)) refuseOption('lifetime', "'aal1', 'aal2', 'aal3' or an object", options)
    const preset = assurance[options]
    return { ...preset, remember: preset, renewEvery: null, overlap: usualOverlap }
  }
  const limits = limitsOf(options, assurance.aal1, 'lifetime')
  const remember = limitsOf(options.remember ?? {}, { idle: 30 * day, absolute: 30 * day }, 'lifetime.remember')
  const { renewal } = options
  const { every, overlap = usualOverlap } = typeof renewal === 'object' ? renewal : { every: renewal }
  return {
    ...limits,
    remember,
    renewEvery: renewal === undefined ? null : milliseconds(every, 'lifetime.renewal.every'),
    overlap: milliseconds(overlap, 'lifetime.renewal.overlap'),
  }
}

function limitsOf(options: { idle?: Duration; absolute?: Duration }, usual: Limits, where: string): Limits {
  // Not `??`: who writes null may want no limit, which there is not.
  const { absolute: whole = usual.absolute } = options
  const absolute = milliseconds(whole, `${where}.absolute`)
  const { idle: unused = Math.min(usual.idle, absolute) } = options
  const idle = milliseconds(unused, `${where}.idle`)
  if (idle > absolute) {
    refuseOption(`${where}.idle`, `at most ${where}.absolute, ${absolute / hour} hours`, unused)
  }
  return { idle, absolute }
}

/** When a session that is used `now` expires: the sooner of its two limits. `start` is its sign-in, else its creation. */
export function expiryOf(limits: Limits, start: number, now: number): number {
  return Math.min(now + limits.idle, start + limits.absolute)
}

/** When a session was last used, where its expiry does not tell: that is the absolute limit, which stays where it is. */
export const seenName = '__seen'

/** When a session was last used, to within a tenth of the idle timeout. */
export function lastSeenOf({ values, expiresAt }: SessionRecord, { idle }: Limits, start: number): number {
  return Math.max(start, expiresAt - idle, Number(textOf(values, seenName)) || 0)
}

/**
 * Whether a session's use is worth a write: once for each tenth of the idle timeout, so that reading is nearly free; and
 * once for the absolute limit, or a session in use would end that much sooner. Also true when the limits were shortened
 * since, so that a new deployment's limits apply to old sessions.
 */
export function touchIsDue(limits: Limits, start: number, now: number, record: SessionRecord): boolean {
  const { idle } = limits
  const change = expiryOf(limits, start, now) - record.expiresAt
  if (now + idle <= start + limits.absolute) return Math.abs(change) * 10 >= idle
  return change !== 0 || (now - lastSeenOf(record, limits, start)) * 10 >= idle
}
