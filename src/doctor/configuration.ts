import { isCookieStore } from '../core/cookie-store.js'
import type { InMemory } from '../core/memory-store.js'
import type { Visits } from '../core/sessions.js'
import { cookieFinding, reachFindings } from './cookie.js'
import type { Finding } from './finding.js'
import { weaknessOfSecret } from './secret.js'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

const stolenForAsLong =
  'a stolen token is good for as long; NIST recommends 30 days at most, for the lowest level of assurance'

/** What the options of `createSessions` fall short of. */
export function configurationFindings(visits: Visits): Finding[] {
  const { settings, options } = visits
  return [
    ...storeFindings(options),
    ...cookieFindings(visits),
    ...lifetimeFindings(settings.lifetime),
    ...outageFindings(settings),
    ...acceptFindings(options),
  ]
}

function storeFindings({ store }: Visits['options']): Finding[] {
  const findings: Finding[] = []
  const records = isCookieStore(store) ? store.revocation : store
  // Who chose memory may mean it, for tests and for one process, but hardly in production.
  const isMistaken =
    process.env.NODE_ENV === 'production' && (records as Partial<InMemory> | null | undefined)?.inMemory
  if (!store || isMistaken) {
    findings.push({
      code: 'no-store',
      level: 'error',
      what: 'Sessions are kept in the memory of this process',
      why: 'they are lost when it stops, and another process does not see a logout',
      fix: store
        ? "sqliteStore('sessions.db') in place of memoryStore()"
        : "createSessions({ store: sqliteStore('sessions.db') })",
      standard: 'ASVS 7.4.1',
    })
  }
  if (records === null) {
    findings.push({
      code: 'cookie-without-revocation',
      level: 'error',
      what: 'Sessions live in cookies and cannot be ended from the server',
      why: 'a copied cookie stays good after the logout',
      fix: 'cookieStore({ secrets, revocation: store })',
      standard: 'ASVS 7.4.1',
    })
  }
  if (records && !records.list) {
    findings.push({
      code: 'cannot-list',
      level: 'warning',
      what: 'The store cannot list the sessions of a user',
      why: 'nobody can see or end the sessions of an account that was taken over or disabled',
      fix: "choose a store that lists; the page Choosing a store of Sojourn's documentation names them",
      standard: 'ASVS 7.4.2, 7.4.5, 7.5.2',
    })
  }
  return findings
}

function cookieFindings({ settings, options }: Visits): Finding[] {
  const { cookie, transport, trustedOrigins } = settings
  const called = transport ? 'The token' : 'The cookie'
  const findings = reachFindings(
    called,
    options.cookie ?? {},
    trustedOrigins ? null : "createSessions({ crossOrigin: { trusted: ['https://app.example.com'] } })",
  )
  if (cookie.secure === false) {
    const fix = `leave ${transport ? 'transport' : 'cookie'}.secure out, and serve over TLS`
    findings.push(cookieFinding('cookie-not-secure', called, fix))
  }
  return findings
}

function lifetimeFindings(lifetime: Visits['settings']['lifetime']): Finding[] {
  const findings: Finding[] = []
  if (lifetime.absolute > 30 * day) {
    findings.push({
      code: 'absolute-too-long',
      level: 'warning',
      what: `A session lasts ${lengthOf(lifetime.absolute)}`,
      why: stolenForAsLong,
      fix: "lifetime: { absolute: '30d' }, or one of 'aal1', 'aal2', 'aal3'",
      standard: 'ASVS 7.3.2, NIST 2.1.3',
    })
  }
  // By default a session of a day or less has one limit that is both, and that is soon enough.
  if (lifetime.idle > 7 * day || (lifetime.idle > day && lifetime.idle >= lifetime.absolute)) {
    findings.push({
      code: 'idle-too-long',
      level: 'warning',
      what: `A session may lie unused for ${lengthOf(lifetime.idle)}`,
      why: 'a forgotten browser stays signed in',
      fix: "lifetime: { idle: '24h' }",
      standard: 'ASVS 7.3.1',
    })
  }
  const fix = "lifetime: { remember: { absolute: '30d' } }"
  findings.push(...rememberedFindings('A remembered session', lifetime.remember.absolute, fix))
  const { renewEvery, overlap } = lifetime
  if (renewEvery !== null && overlap > Math.min(renewEvery, hour)) {
    findings.push({
      code: 'overlap-too-long',
      level: 'warning',
      what: `A replaced token stays good for ${lengthOf(overlap)}`,
      why:
        overlap > renewEvery
          ? 'the next renewal waits for it, so that tokens are not replaced as often as `every` says'
          : 'a stolen one does too, and its use is not told as a sign of theft until then',
      fix: "lifetime: { renewal: { every: '1h', overlap: '60s' } }: a little longer than your longest request",
      standard: 'OWASP Session Management Cheat Sheet, renewal timeout',
    })
  }
  return findings
}

/**
 * What a session falls short of that outlives the browser.
 *
 * @param lifetime milliseconds; `NaN` where it ends with the browser
 */
export function rememberedFindings(session: string, lifetime: number, fix: string): Finding[] {
  if (!(lifetime > 90 * day)) return []
  const isBeyondBrowsers = lifetime > 400 * day
  return [
    {
      code: isBeyondBrowsers ? 'remembered-beyond-browsers' : 'remembered-too-long',
      level: 'warning',
      what: `${session} lasts ${lengthOf(lifetime)}`,
      why: isBeyondBrowsers
        ? 'browsers drop cookies after 400 days (RFC 6265bis, section 5.5), so the record outlives its cookie'
        : stolenForAsLong,
      fix: `${fix}, or up to 90 days where little is at stake`,
      standard: isBeyondBrowsers ? 'RFC 6265bis 5.5' : 'ASVS 7.3.2, NIST 2.1.3',
    },
  ]
}

function outageFindings({ onStoreError, storeTimeout }: Visits['settings']): Finding[] {
  const findings: Finding[] = []
  if (onStoreError === 'anonymous') {
    findings.push({
      code: 'outage-hidden',
      level: 'warning',
      what: 'While the store is down, signed-in visitors are shown pages as strangers',
      why: 'an outage looks like a logout, and nobody is told',
      fix: "leave onStoreError out, or watch sessions.on('outage')",
      standard: 'ASVS 16.3.3',
    })
  }
  if (storeTimeout > 30_000) {
    findings.push({
      code: 'timeout-too-long',
      level: 'warning',
      what: `A request waits for the store for up to ${storeTimeout / 1000} seconds`,
      why: 'a store that hangs takes every request with it',
      fix: "storeTimeout: '5s'",
      standard: 'ASVS 15.2.2',
    })
  }
  return findings
}

function acceptFindings({ accept }: Visits['options']): Finding[] {
  if (!accept) return []
  const { secrets, isOfSession } = accept.signing()
  const library = isOfSession ? 'cookie-session' : 'express-session'
  return secrets.flatMap((secret, index): Finding[] => {
    const weakness = weaknessOfSecret(secret)
    if (!weakness) return []
    return [
      {
        code: 'weak-secret',
        level: isOfSession ? 'error' : 'warning',
        what: `${secrets.length > 1 ? `Secret ${index + 1}` : 'The secret'} of ${library} ${weakness}`,
        why: isOfSession
          ? 'whoever knows it can sign in as anybody, as long as accept stays'
          : 'whoever knows it and reads the old store can go on with any session there, as long as accept stays',
        fix: 'leave it out, so that visitors with a cookie of that secret sign in again, or drop accept soon',
        standard: 'ASVS 11.5.1, 13.3.1',
      },
    ]
  })
}

function lengthOf(milliseconds: number): string {
  const units = [[day, 'day'] as const, [hour, 'hour'] as const, [minute, 'minute'] as const]
  const [length, unit] = units.find(([it]) => milliseconds >= it) ?? [1000, 'second']
  const count = Math.round(milliseconds / length)
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}
