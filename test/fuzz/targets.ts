import assert from 'node:assert/strict'
import fc from 'fast-check'
import { isSojournError } from '../../src/core/errors.js'
import { memoryStore } from '../../src/core/memory-store.js'
import type { SessionsOptions } from '../../src/core/options.js'
import { localPath } from '../../src/core/return-path.js'
import { createSessions } from '../../src/core/sessions.js'
import type { SessionRecord } from '../../src/core/store.js'
import { cookieStore } from '../../src/stores/cookie.js'

/** Something that meets what strangers send or write. Throws when it is harmed, or fooled. */
export interface FuzzTarget {
  readonly name: string
  readonly property: fc.IAsyncPropertyWithHooks<[unknown]> | fc.IPropertyWithHooks<[unknown]>
}

const day = 86_400_000
const silent = { cookie: { secure: true } } as const

/** Text as an attacker writes it: pieces of the real thing, cut, repeated and mixed with anything. */
function hostileText(pieces: readonly string[], size = 12): fc.Arbitrary<string> {
  const piece = fc.constantFrom(...pieces)
  const cut = fc.tuple(piece, fc.nat(80), fc.nat(80)).map(([text, from, to]) => text.slice(from, from + to))
  const noise = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 8 }),
    fc.constantFrom(';', '; ', '=', ',', '"', '%', '\0'),
  )
  return fc.array(fc.oneof(piece, cut, noise), { maxLength: size }).map((parts) => parts.join(''))
}

async function cookieHeaders(): Promise<FuzzTarget> {
  const sessions = createSessions<{ a: number }>({ store: memoryStore(), ...silent })
  const { cookie, session } = await sessions.create({ userId: 'alice', values: { a: 1 } })
  const token = cookie.slice(cookie.indexOf('=') + 1)
  const header = hostileText([
    cookie,
    token,
    '__Host-session',
    '__Host-session=',
    '__host-session=',
    'session=',
    session.id,
  ])
  return {
    name: 'cookie headers',
    property: fc.asyncProperty(header as fc.Arbitrary<unknown>, async (text) => {
      const found = await sessions.load({ cookie: text as string })
      if (found.userId !== null) assert.ok((text as string).includes(token), 'accepted without its token')
    }),
  }
}

/** The token that a header presents, by the letter of the page on headers: alone, or after `Bearer`. */
const presented = {
  authorization: (text: string) => /^bearer +([^ ]*) *$/i.exec(text)?.[1],
  'x-session': (text: string) => text,
}

async function tokenHeaders(header: keyof typeof presented): Promise<FuzzTarget> {
  const sessions = createSessions<{ a: number }>({ store: memoryStore(), transport: { header, secure: true } })
  const { headers, session } = await sessions.create({ userId: 'alice', values: { a: 1 } })
  const whole = headers[header] ?? ''
  const token = whole.slice(-64)
  const pieces = [whole, token, 'Bearer', 'bearer ', 'Bearer\t', 'Basic ', '  ', '__Host-session=', session.id]
  const value = fc.oneof(hostileText(pieces, 3), hostileText(pieces))
  return {
    name: `${header} headers`,
    property: fc.asyncProperty(value as fc.Arbitrary<unknown>, async (text) => {
      const found = await sessions.load({ headers: { [header]: text as string, cookie: whole } })
      assert.equal(found.userId, presented[header](text as string) === token ? 'alice' : null)
    }),
  }
}

async function sealedCookies(): Promise<FuzzTarget> {
  const store = cookieStore({ secrets: 'Wm9vPq3vXk1c8rT5yB2nH7dLs0fGjA4e' })
  const sessions = createSessions<{ text: string }>({ store, ...silent })
  const { cookie } = await sessions.create({ userId: 'alice', values: { text: 'x'.repeat(4000) } })
  const whole = cookie.split('; ')
  const header = hostileText([cookie, ...whole, '__Host-session=', '__Host-session-1=', '1.', '2.', '9.'])
  return {
    name: 'sealed cookies',
    property: fc.asyncProperty(header as fc.Arbitrary<unknown>, async (text) => {
      const found = await sessions.load({ cookie: text as string })
      const values = whole.map((pair) => pair.slice(pair.indexOf('=') + 1))
      if (found.userId !== null)
        assert.ok(
          values.every((value) => (text as string).includes(value)),
          'accepted in part',
        )
    }),
  }
}

async function storedRecords(): Promise<FuzzTarget> {
  const memory = memoryStore()
  const plain = createSessions<{ a: unknown }>({ store: memory, ...silent })
  const { cookie, session } = await plain.create({ userId: 'alice', values: { a: 1 } })
  const good = (await memory.read(session.id)) as SessionRecord
  const text = hostileText(['{"a":', '[', '"', ...Object.values(good.values), 'null', '1e999'], 4)
  const values = fc.dictionary(
    fc.constantFrom('a', '__token', '__renewal', '__signIn', '__client', '__lock', 'constructor'),
    text,
  )
  const row = fc.oneof(
    fc.anything(),
    fc.record({
      values: fc.oneof(
        values,
        values.map((some) => ({ ...good.values, ...some })),
        fc.anything(),
      ),
      userId: fc.oneof(fc.constant('alice'), fc.anything()),
      createdAt: fc.oneof(fc.constant(good.createdAt), fc.anything()),
      expiresAt: fc.oneof(fc.constant(good.expiresAt), fc.anything()),
    }),
  )
  return {
    name: 'stored records',
    property: fc.asyncProperty(row as fc.Arbitrary<unknown>, async (record) => {
      const sessions = createSessions<{ a: unknown }>({
        store: { ...memoryStore(), read: () => record as SessionRecord, patch: () => 'applied', delete: () => true },
        lifetime: { renewal: '1h' },
        clock: () => good.createdAt + day / 2,
        ...silent,
      })
      const found = await sessions.load({ cookie })
      try {
        void { ...found }
        found.a = 2
        await found.update('a', (before) => [before])
        found.signIn('bob')
        await sessions.commit(found)
      } catch (error) {
        assert.ok(isSojournError(error), String(error))
      } finally {
        await sessions.close()
      }
    }),
  }
}

function options(): FuzzTarget {
  const name = fc.constantFrom(
    'store',
    'lifetime',
    'cookie',
    'onStoreError',
    'storeTimeout',
    'crossOrigin',
    'maxPerUser',
    'device',
    'noStore',
    'clock',
    'idle',
    'absolute',
    'renewal',
    'remember',
    'domain',
    'path',
    'sameSite',
    'secret',
    '__proto__',
  )
  const value = fc.oneof(fc.anything(), fc.constantFrom<unknown>('1h', '30d', 'lax', 'none', true, 5, 'aal2', [], null))
  const given = fc.dictionary(name, fc.oneof(value, fc.dictionary(name, value)))
  return {
    name: 'options',
    property: fc.property(given as fc.Arbitrary<unknown>, (some) => {
      try {
        createSessions({ store: memoryStore(), ...(some as SessionsOptions) })
      } catch (error) {
        assert.ok(isSojournError(error) && error.code === 'invalid_option', String(error))
      }
    }),
  }
}

function returnPaths(): FuzzTarget {
  const text = hostileText(['//', '/\\', 'https:', 'evil.example', '/..', '%2f', '\t', '\n', '@', '?returnTo='])
  return {
    name: 'return paths',
    property: fc.property(text as fc.Arbitrary<unknown>, (path) => {
      const url = new URL(localPath(path), 'https://site.example')
      assert.equal(url.origin, 'https://site.example')
    }),
  }
}

export async function fuzzTargets(): Promise<FuzzTarget[]> {
  return [
    await cookieHeaders(),
    await tokenHeaders('authorization'),
    await tokenHeaders('x-session'),
    await sealedCookies(),
    await storedRecords(),
    options(),
    returnPaths(),
  ]
}
