import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type CookieOptions,
  clearCookie,
  cookieFormOf,
  cookieSettingsOf,
  cookieValues,
  directHost,
  isLoopback,
  privateCacheControl,
  setCookie,
} from './cookie.js'

const form = (options: CookieOptions, secure = true, host = 'example.com') =>
  cookieFormOf(cookieSettingsOf(options), { secure, host })

describe('the name and attributes', () => {
  test.each<[string, CookieOptions, boolean, string, string | null]>([
    ['TLS', {}, true, 'example.com', '__Host-session=v; Path=/; HttpOnly; Secure; SameSite=Lax'],
    ['plain HTTP on this machine', {}, false, 'localhost:4000', 'session=v; Path=/; HttpOnly; SameSite=Lax'],
    ['plain HTTP elsewhere', {}, false, 'example.com', null],
    [
      'a domain',
      { domain: 'example.com' },
      true,
      'a.example.com',
      '__Secure-session=v; Domain=example.com; Path=/; HttpOnly; Secure; SameSite=Lax',
    ],
    ['a path', { path: '/app' }, true, 'example.com', '__Secure-session=v; Path=/app; HttpOnly; Secure; SameSite=Lax'],
    [
      'secure: true on what looks plain',
      { secure: true },
      false,
      'example.com',
      '__Host-session=v; Path=/; HttpOnly; Secure; SameSite=Lax',
    ],
    ['secure: false', { secure: false, name: 'sid' }, true, 'example.com', 'sid=v; Path=/; HttpOnly; SameSite=Lax'],
    [
      'another site',
      { sameSite: 'none', partitioned: true },
      true,
      'example.com',
      '__Host-session=v; Path=/; HttpOnly; Secure; Partitioned; SameSite=None',
    ],
    [
      'another site, on this machine without TLS',
      { sameSite: 'none', partitioned: true },
      false,
      'localhost',
      'session=v; Path=/; HttpOnly; SameSite=Lax',
    ],
  ])('%s', (_case, options, secure, host, expected) => {
    const found = form(options, secure, host)
    const attributes = (text: string) => new Set(text.split('; '))
    expect(found && attributes(setCookie(found, 'v'))).toEqual(expected && attributes(expected))
  })

  test.each<[CookieOptions, RegExp]>([
    [{ name: 'a b' }, /^cookie\.name must be a cookie name such as session/],
    [{ name: '__Host-session' }, /cookie\.name must be a cookie name such as session, without the prefix/],
    [{ sameSite: 'Lax' as 'lax' }, /cookie\.sameSite must be "lax", "strict" or "none"; got "Lax"/],
    [{ secure: false, sameSite: 'none' }, /cookie\.secure must be 'auto' or true with sameSite 'none' or partitioned/],
    [{ secure: false, partitioned: true }, /cookie\.secure must be 'auto' or true with sameSite 'none'/],
    [{ path: 'app' }, /cookie\.path must be an encoded path that begins with '\/'/],
    [{ domain: '' }, /cookie\.domain must be a domain/],
    [{ domain: null as never }, /cookie\.domain must be a domain/],
    [{ domain: 'a;b' }, /cookie\.domain must be a domain .*, without scheme and port/],
    [{ secure: 'yes' as 'auto' }, /cookie\.secure must be "auto", true or false/],
    [{ priority: 'urgent' as 'high' }, /cookie\.priority must be/],
  ])('%j is refused', (options, message) => {
    expect(() => cookieSettingsOf(options)).toThrow(message)
  })

  test('clearing repeats the attributes', () => {
    const found = form({ sameSite: 'none', partitioned: true })
    expect(found && clearCookie(found)).toMatch(/^__Host-session=; Max-Age=0; .*Path=\/.*Secure.*Partitioned/)
  })
})

test('a cookie lasts 400 days at most (RFC 6265bis, section 5.5)', () => {
  const found = form({})
  if (!found) throw new Error('no form')
  expect(setCookie(found, 'v', 500 * 86_400)).toContain('Max-Age=34560000;')
  expect(setCookie(found, 'v', 60.9)).toContain('Max-Age=60;')
  expect(setCookie(found, 'v', -5)).toContain('Max-Age=0;')
})

test('name and value of more than 4096 bytes are refused (RFC 6265bis, section 5.6)', () => {
  const found = form({})
  if (!found) throw new Error('no form')
  const room = 4096 - found.name.length
  expect(() => setCookie(found, 'v'.repeat(room))).not.toThrow()
  expect(() => setCookie(found, 'v'.repeat(room + 1))).toThrow(/__Host-session would take 4097 bytes/)
})

describe('reading a Cookie header', () => {
  test.each<[string | undefined, string[]]>([
    [undefined, []],
    ['', []],
    ['session=a', ['a']],
    ['other=1; session=a; session=b', ['a', 'b']],
    ['xsession=1; sessionx=2; session =3; session=', ['']],
    ['  session=a  ;session=b\t', ['a', 'b']],
    ['session="a"', ['"a"']],
    ['session', []],
    [';;;=;session=a;;', ['a']],
    ['a=session=b', []],
  ])('%j', (header, values) => {
    expect(cookieValues(header, 'session')).toEqual(values)
  })

  test('finds what was sent, whatever stands around it', () => {
    const pair = fc.tuple(fc.stringMatching(/^[a-z]{1,8}$/), fc.stringMatching(/^[\w-]{0,20}$/))
    fc.assert(
      fc.property(fc.array(pair), fc.stringMatching(/^[; \t]{0,3}$/), (pairs, space) => {
        const header = pairs.map(([name, value]) => `${name}=${value}`).join(`; ${space}`)
        const expected = pairs.filter(([name]) => name === 'session').map(([, value]) => value)
        expect(cookieValues(header, 'session')).toEqual(expected)
      }),
    )
  })

  test('any text at all does no harm', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void cookieValues(text, 'session')))
  })
})

test('loopback hosts', () => {
  for (const host of [
    'localhost',
    'LOCALHOST:80',
    'app.localhost:4000',
    '127.0.0.1',
    '127.8.9.1:80',
    '[::1]',
    '[::1]:80',
  ]) {
    expect(isLoopback(host), host).toBe(true)
  }
  for (const host of [
    undefined,
    '',
    'localhost.example.com',
    '127.0.0.1.example.com',
    'example.com',
    '::1',
    '10.0.0.1',
  ]) {
    expect(isLoopback(host), String(host)).toBe(false)
  }
})

test('a host that a proxy handed on for a client elsewhere does not count', () => {
  const direct = (headers: Record<string, string>) => directHost({ header: (name) => headers[name] })
  expect(direct({ host: 'localhost' })).toBe('localhost')
  expect(direct({ host: 'localhost', 'x-forwarded-for': '127.0.0.1' })).toBe('localhost')
  expect(direct({ host: 'localhost', 'x-forwarded-for': '203.0.113.5, 127.0.0.1' })).toBe(undefined)
  expect(direct({ host: 'localhost', 'x-forwarded-proto': 'https' })).toBe(undefined)
  expect(direct({ host: 'localhost', forwarded: 'for=203.0.113.5' })).toBe(undefined)
  expect(direct({ host: 'localhost', 'x-forwarded-host': 'shop.example' })).toBe(undefined)
  expect(direct({ host: 'localhost', 'x-real-ip': '203.0.113.5' })).toBe(undefined)
  expect(direct({ host: 'localhost', 'x-real-ip': '::1' })).toBe('localhost')
})

test.each<[string | undefined, string]>([
  [undefined, 'private'],
  ['', 'private'],
  ['public, max-age=60', 'private, max-age=60'],
  ['Public, s-maxage=60', 'private'],
  ['max-age=60', 'private, max-age=60'],
  ['no-store', 'no-store'],
  ['private, max-age=5', 'private, max-age=5'],
  ['no-cache', 'private, no-cache'],
])('Cache-Control %j with a session cookie becomes %j', (before, after) => {
  expect(privateCacheControl(before)).toBe(after)
})
