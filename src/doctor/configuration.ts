import { isCookieStore } from '../core/cookie-store.js'
import type { InMemory } from '../core/memory-store.js'
import { weaknessOf } from '../core/secrets.js'
import type { Visits } from '../core/sessions.js'
import type { Finding } from './finding.js'

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

/** What the options of `createSessions` fall short of. */
export function configurationFindings({ settings, options }: Visits): Finding[] {
  return [
    ...storeFindings(options),
    ...cookieFindings(settings),
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

function cookieFindings({ cookie, transport, trustedOrigins }: Visits['settings']): Finding[] {
  const findings: Finding[] = []
  const { attributes, name } = cookie.securely
  if (cookie.secure === false) {
    findings.push({
      code: 'cookie-not-secure',
      level: 'error',
      what: `The ${transport ? 'token' : 'cookie'} is sent over plain HTTP`,
      why: 'anybody on the way can read it, and plant one',
      fix: `leave ${transport ? 'transport' : 'cookie'}.secure out, and serve over TLS`,
      standard: 'ASVS 3.3.1, NIST 5.1.1',
    })
  }
  if (/Domain=/.test(attributes)) {
    findings.push({
      code: 'cookie-shared-with-subdomains',
      level: 'warning',
      what: 'The cookie goes to every subdomain',
      why: 'each of them can read it, and one that is taken over takes the sessions with it',
      fix: 'leave cookie.domain out, unless they share sessions by design',
      standard: 'ASVS 3.3.3',
    })
  } else if (!name.startsWith('__Host-')) {
    findings.push({
      code: 'cookie-path',
      level: 'warning',
      what: 'The cookie has a path',
      why: 'a path separates nothing (RFC 6265bis, section 8.5), and costs the __Host- prefix',
      fix: 'leave cookie.path out',
      standard: 'ASVS 3.3.3',
    })
  }
  if (/SameSite=None/.test(attributes) && !trustedOrigins) {
    findings.push({
      code: 'cross-site-without-guard',
      level: 'error',
      what: 'Other sites’ requests carry the cookie, and none is refused',
      why: 'any page can make a signed-in visitor’s browser act (cross-site request forgery)',
      fix: "createSessions({ crossOrigin: { trusted: ['https://app.example.com'] } })",
      standard: 'ASVS 3.5.1, CWE-352',
    })
  }
  if (/Partitioned/.test(attributes) && !/SameSite=None/.test(attributes)) {
    findings.push({
      code: 'partitioned-needlessly',
      level: 'warning',
      what: 'The cookie is partitioned, and never comes from other sites',
      why: 'there is one partition for each site that embeds yours, and from there browsers send SameSite=None only',
      fix: "leave cookie.partitioned out, or add sameSite: 'none' and crossOrigin",
      standard: 'ASVS 3.3.2',
    })
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
      why: 'a stolen token is good for as long; NIST recommends 30 days at most, for the lowest level of assurance',
      fix: "lifetime: { absolute: '30d' }, or one of 'aal1', 'aal2', 'aal3'",
      standard: 'ASVS 7.3.2, NIST 2.1.3',
    })
  }
  if (lifetime.idle > 7 * day || lifetime.idle >= lifetime.absolute) {
    findings.push({
      code: 'idle-too-long',
      level: 'warning',
      what: `A session may lie unused for ${lengthOf(lifetime.idle)}`,
      why: 'a forgotten browser stays signed in',
      fix: "lifetime: { idle: '24h' }, shorter than absolute",
      standard: 'ASVS 7.3.1',
    })
  }
  if (lifetime.remember.absolute > 400 * day) {
    findings.push({
      code: 'remembered-beyond-browsers',
      level: 'warning',
      what: `A remembered session lasts ${lengthOf(lifetime.remember.absolute)}`,
      why: 'browsers drop cookies after 400 days (RFC 6265bis, section 5.5), so the record outlives its cookie',
      fix: "lifetime: { remember: { absolute: '90d' } }",
      standard: 'RFC 6265bis 5.5',
    })
  } else if (lifetime.remember.absolute > 90 * day) {
    findings.push({
      code: 'remembered-too-long',
      level: 'warning',
      what: `A remembered session lasts ${lengthOf(lifetime.remember.absolute)}`,
      why: 'a stolen token is good for as long; NIST recommends 30 days at most, for the lowest level of assurance',
      fix: "lifetime: { remember: { absolute: '30d' } }, or up to '90d' where little is at stake",
      standard: 'ASVS 7.3.2, NIST 2.1.3',
    })
  }
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
    const weakness = typeof secret === 'string' ? weaknessOf(secret) : null
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
