import express from 'express'
import fc from 'fast-check'
import supertest from 'supertest'
import { beforeEach, describe, expect, test } from 'vitest'
import { cookieHeader, type Jar, takeCookies } from '../../test/stores/browser-store.js'
import { session as expressSession } from '../adapters/express.js'
import { withSession } from '../adapters/fetch.js'
import type { SojournError } from '../core/errors.js'
import type { SessionsOptions } from '../core/options.js'
import { createSeal } from '../core/seal.js'
import type { Session } from '../core/session.js'
import { createSessions, type Sessions } from '../core/sessions.js'
import { cookieStore } from './cookie.js'
import { memoryStore } from './memory.js'

interface Data {
  a: number
  text: string
}

const secret = 'Wm9vPq3vXk1c8rT5yB2nH7dLs0fGjA4e'
const newSecret = 'q8Rz1LxVt6Kp3YwNb5Mc9HsJd2FgTaEu'
const day = 86_400_000
let now: number
beforeEach(() => {
  now = 1_800_000_000_000
})

function make(options: Partial<Parameters<typeof cookieStore>[0]> = {}, rest: SessionsOptions = {}): Sessions<Data> {
  return createSessions<Data>({ store: cookieStore({ secrets: secret, ...options }), clock: () => now, ...rest })
}

/** One request of a browser that keeps its cookies in `jar`. */
async function request(
  sessions: Sessions<Data>,
  jar: Jar,
  handle: (session: Session<Data>) => unknown = () => {},
  agent = 'curl/8',
) {
  const session = await sessions.load({ headers: { cookie: cookieHeader(jar), 'user-agent': agent } })
  const result = await handle(session)
  const cookies = await sessions.commit(session)
  takeCookies(jar, cookies)
  return { session, cookies, result }
}

test('a session lives in its cookie, and nothing of it can be read there', async () => {
  const sessions = make()
  const jar: Jar = new Map()
  await request(sessions, jar, (session) => {
    session.text = 'a private thing'
    session.signIn('alice')
  })
  expect([...jar.keys()]).toEqual(['__Host-session'])
  expect(Buffer.from(cookieHeader(jar), 'base64url').toString('latin1')).not.toMatch(/private|alice/)
  const { session, cookies } = await request(sessions, jar)
  expect([session.userId, session.text]).toEqual(['alice', 'a private thing'])
  expect(cookies).toEqual([])
  await request(sessions, jar, (it) => it.destroy())
  expect(jar.size).toBe(0)
})

test('a value comes back under its name, whatever the values of another visitor are called', async () => {
  const sessions = createSessions({ store: cookieStore({ secrets: secret }) })
  const names = ['a\\', 'a"', '\\', '"', 'é"', '\\"', 'a%22', 'a%5C']
  const visitors = names.map(async (name) => {
    const values = new Map([
      ['cart', 'full'],
      [name, name],
    ])
    return { values, cookie: (await sessions.create({ values: Object.fromEntries(values) })).cookie }
  })
  for (const { values, cookie } of (await Promise.all(visitors)).flatMap((visitor) => Array(5).fill(visitor))) {
    expect(Object.entries(await sessions.load({ cookie }))).toEqual([...values])
  }
})

test('a cookie that was sealed when the values still were an object is read', async () => {
  const sessions = make()
  const seal = createSeal(secret, 'cookie')
  const { cookie } = await sessions.create({ userId: 'alice', values: { a: 1, text: 'x' } })
  const [name = '', value = ''] = cookie.split(/[=;]/)
  const { token, record } = JSON.parse(seal.unseal(value.slice('1.'.length), name) as string)
  expect(record.values).toBeInstanceOf(Array)
  const values = { ...Object.fromEntries(record.values), 'a%22': '"b"' }
  const before = `${name}=1.${seal.seal(JSON.stringify({ token, record: { ...record, values } }), name)}`
  const session = await sessions.load({ cookie: before })
  expect([session.userId, { ...session }]).toEqual(['alice', { a: 1, text: 'x', 'a%22': 'b' }])
})

test('the same values are never sealed the same', async () => {
  const sessions = make()
  const jar: Jar = new Map()
  await request(sessions, jar, (session) => Object.assign(session, { a: 1 }))
  const before = cookieHeader(jar)
  await request(sessions, jar, (session) => Object.assign(session, { a: 2 }))
  await request(sessions, jar, (session) => Object.assign(session, { a: 1 }))
  expect(cookieHeader(jar)).toHaveLength(before.length)
  expect(cookieHeader(jar)).not.toBe(before)
})

describe('what was tampered with gives a fresh session', () => {
  const sealed = async () => {
    const sessions = make()
    const jar: Jar = new Map()
    await request(sessions, jar, (session) => Object.assign(session, { a: 1 }))
    return { sessions, value: jar.get('__Host-session') ?? '' }
  }
  const isFresh = async (sessions: Sessions<Data>, value: string) =>
    (await sessions.load({ cookie: `__Host-session=${value}` })).isNew

  test('a character changed, at every position', async () => {
    const { sessions, value } = await sealed()
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    for (let index = 0; index < value.length; index++) {
      const other = alphabet[(alphabet.indexOf(value[index] ?? '') + 1) % 64] ?? ''
      expect(await isFresh(sessions, value.slice(0, index) + other + value.slice(index + 1)), `${index}`).toBe(true)
    }
  })

  test('every bit of the sealed bytes flipped', async () => {
    const { sessions, value } = await sealed()
    const bytes = Buffer.from(value.slice('1.'.length), 'base64url')
    expect(await isFresh(sessions, `1.${bytes.toString('base64url')}`)).toBe(false)
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(await isFresh(sessions, `1.${flipped.toString('base64url')}`), `${bit}`).toBe(true)
    }
  })

  test('cut anywhere, or lengthened', async () => {
    const { sessions, value } = await sealed()
    for (let length = 0; length < value.length; length++)
      expect(await isFresh(sessions, value.slice(0, length))).toBe(true)
    for (const more of ['A', '=', '.', 'AAAA']) expect(await isFresh(sessions, value + more)).toBe(true)
  })

  test('sealed for another cookie, or with another secret', async () => {
    const { value } = await sealed()
    const other = make({}, { cookie: { name: 'other' } })
    expect((await other.load({ cookie: `__Host-other=${value}` })).isNew).toBe(true)
    expect(await isFresh(make({ secrets: newSecret }), value)).toBe(true)
  })

  test('anything at all', async () => {
    const { sessions } = await sealed()
    const hostile = fc.oneof(fc.string(), fc.stringMatching(/^[1-4]\.[\w-]{0,200}$/))
    await fc.assert(
      fc.asyncProperty(hostile, async (value) => {
        expect(await isFresh(sessions, value)).toBe(true)
      }),
    )
  })
})

test('secrets are rotated without logging anybody out', async () => {
  const jar: Jar = new Map()
  await request(make(), jar, (session) => Object.assign(session, { a: 1 }))
  const rotating = make({ secrets: [newSecret, secret] })
  const { session } = await request(rotating, jar, (it) => Object.assign(it, { text: 'x' }))
  expect(session.a).toBe(1)
  expect((await request(make({ secrets: newSecret }), jar)).session.a).toBe(1)
})

test.each([
  ['the new secret is added', [secret], [secret, newSecret]],
  ['it comes first', [secret, newSecret], [newSecret, secret]],
  ['the old one goes', [newSecret, secret], [newSecret]],
])('two processes serve the same visitor while %s', async (_, before, after) => {
  const processes = [make({ secrets: before }), make({ secrets: after })]
  for (const first of processes) {
    const jar: Jar = new Map()
    await request(first, jar, (session) => Object.assign(session, { a: 0 }))
    for (const [turn, process] of [...processes, ...processes].entries()) {
      const { session } = await request(process, jar, (it) => Object.assign(it, { a: (it.a ?? Number.NaN) + 1 }))
      expect(session.a).toBe(turn + 1)
    }
  }
})

test.each([
  ['the plain name', { secure: false }],
  ['a name that other hosts of the domain can set', { domain: 'example.com' }],
])('under %s two sessions cancel each other, and one that has expired is in nobody’s way', async (_, cookie) => {
  const sessions = make({}, { cookie })
  const planted = await sessions.create({ userId: 'mallory' })
  now += day / 2
  const own = await sessions.create({ userId: 'alice' })
  const header = `${planted.cookie}; ${own.cookie}`
  expect((await sessions.load({ cookie: header })).userId).toBe(null)
  now += day / 2
  expect((await sessions.load({ cookie: header })).userId).toBe('alice')
})

test('so they do where they take several cookies, and a part that somebody else set is in nobody’s way', async () => {
  const sessions = make({}, { cookie: { domain: 'example.com' } })
  const values = { text: 'x'.repeat(4000) }
  const planted = await sessions.create({ userId: 'mallory', values })
  const own = await sessions.create({ userId: 'alice', values })
  expect(own.cookie).toMatch(/=2\./)
  expect((await sessions.load({ cookie: `${planted.cookie}; ${own.cookie}` })).userId).toBe(null)
  const part = planted.cookie.split('; ')[1]
  expect((await sessions.load({ cookie: `${part}; ${own.cookie}` })).userId).toBe('alice')
})

test('both timeouts are enforced from inside the seal', async () => {
  const sessions = make({}, { lifetime: { idle: '1d', absolute: '3d' } })
  const jar: Jar = new Map()
  await request(sessions, jar, (session) => Object.assign(session, { a: 1 }))
  const first = new Map(jar)
  for (let half = 0; half < 5; half++) {
    now += day / 2
    expect((await request(sessions, jar)).session.a).toBe(1)
  }
  expect((await request(sessions, first)).session.isNew).toBe(true)
  now += day / 2
  expect((await request(sessions, jar)).session.isNew).toBe(true)
})

test('beyond 4 KB it takes several cookies, which go when it shrinks; beyond three it is refused', async () => {
  const sessions = make()
  const jar: Jar = new Map()
  const { cookies } = await request(sessions, jar, (session) => Object.assign(session, { text: 'x'.repeat(6000) }))
  expect([...jar.keys()]).toEqual(['__Host-session', '__Host-session-1', '__Host-session-2'])
  for (const cookie of cookies) expect(cookie.split(';', 1)[0]?.length).toBeLessThanOrEqual(4096)
  expect((await request(sessions, jar)).session.text).toHaveLength(6000)
  for (const missing of jar.keys()) {
    const some = new Map(jar)
    some.delete(missing)
    expect((await request(sessions, some)).session.isNew).toBe(true)
  }
  await request(sessions, jar, (session) => Object.assign(session, { text: 'small' }))
  expect([...jar.keys()]).toEqual(['__Host-session'])
  const tooMuch = request(sessions, jar, (session) => Object.assign(session, { text: 'x'.repeat(9000) }))
  await expect(tooMuch).rejects.toMatchObject({
    code: 'cookie_too_large',
    message: expect.stringMatching(/at most 11700/),
  })
})

test('what is too large is refused when it is saved, and changes nothing: it can be made smaller', async () => {
  for (const revocation of [undefined, memoryStore()]) {
    const sessions = make(revocation ? { revocation } : {})
    const jar: Jar = new Map()
    await request(sessions, jar, (session) => Object.assign(session, { a: 1 }))
    const signIn = (session: Session<Data>) => {
      session.signIn('alice')
      session.text = 'x'.repeat(9000)
    }
    await expect(request(sessions, jar, signIn)).rejects.toMatchObject({ code: 'cookie_too_large', status: 500 })
    const { session } = await request(sessions, jar, async (it) => {
      expect([it.userId, it.a]).toEqual([null, 1])
      signIn(it)
      await expect(it.save()).rejects.toMatchObject({ code: 'cookie_too_large' })
      it.text = 'x'.repeat(5000)
    })
    expect(session.userId).toBe('alice')
    const after = await request(sessions, jar)
    expect([after.session.userId, after.session.text]).toEqual(['alice', 'x'.repeat(5000)])
  }
})

/** Fills a session with as much text as it takes. Returns how much that is. */
async function fill(sessions: Sessions<Data>, jar: Jar, signIn: (session: Session<Data>) => void): Promise<number> {
  let [most, tooMuch] = [6000, 9000]
  while (tooMuch - most > 1) {
    const length = (most + tooMuch) >> 1
    const handle = (session: Session<Data>) => {
      signIn(session)
      session.text = 'x'.repeat(length)
    }
    const fits = await request(sessions, new Map(), handle)
      .then(() => true)
      .catch(() => false)
    if (fits) most = length
    else tooMuch = length
  }
  await request(sessions, jar, (session) => {
    signIn(session)
    session.text = 'x'.repeat(most)
  })
  return most
}

test.each([undefined, memoryStore()])(
  'no page fails for what the engine notes in a session that is full',
  async (revocation) => {
    const sessions = make(revocation ? { revocation } : {}, { onBindingChange: 'reauthenticate' })
    const jar: Jar = new Map()
    const most = await fill(sessions, jar, (session) => session.signIn('alice', { remember: true }))
    const agent = `Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) ${'Version/17.4 Safari/605.1.15 '.repeat(8)}`
    for (let days = 3; days < 29; days += 3) {
      now += 3 * day
      const { session } = await request(sessions, jar, undefined, days % 2 ? agent : undefined)
      expect([session.userId, session.text?.length]).toEqual(['alice', most])
    }
    expect((await request(sessions, jar)).session.authenticatedAt).toBe(null)
  },
)

test('a guest’s session that is full can be made smaller, also after a sign-in that found room', async () => {
  const sessions = make()
  const jar: Jar = new Map()
  await fill(sessions, jar, (session) => Object.assign(session, { a: 1 }))
  await request(sessions, jar, (session) => session.signIn('al')).catch(() => undefined)
  await request(sessions, jar, (session) => Reflect.deleteProperty(session, 'a'))
  await request(sessions, jar, (session) => Object.assign(session, { text: 'short' }))
  expect(Object.keys((await request(sessions, jar)).session)).toEqual(['text'])
})

test('three of them, of a name that others can set, are an attempt to hide the visitor’s own', async () => {
  const sessions = make({}, { cookie: { path: '/app' } })
  const [mallory, alice] = [await sessions.create({ userId: 'mallory' }), await sessions.create({ userId: 'alice' })]
  const junk = `${alice.cookie.split('=', 1)}=1.junk`
  expect((await sessions.load({ cookie: `${mallory.cookie}; ${junk}; ${alice.cookie}` })).userId).toBe(null)
})

test('a session that is as large as it may be can still be renewed', async () => {
  const sessions = make({}, { lifetime: { idle: '1d', renewal: { every: '1h', overlap: '1m' } } })
  const jar: Jar = new Map()
  const most = await fill(sessions, jar, () => {})
  for (let hour = 0; hour < 5; hour++) {
    now += 3_600_000
    const before = new Map(jar)
    expect((await request(sessions, jar)).session.text).toHaveLength(most)
    expect(jar).not.toEqual(before)
    expect((await request(sessions, jar)).session.text).toHaveLength(most)
  }
})

test('without a revocation store a session cannot be listed or ended from the server, and that is said', async () => {
  const sessions = make()
  const { session } = await sessions.create({ userId: 'alice' })
  await expect(sessions.end(session.id)).rejects.toMatchObject({ code: 'unsupported' })
  await expect(sessions.list({ userId: 'alice' })).rejects.toMatchObject({ code: 'unsupported' })
})

test('create() gives a cookie header for tests', async () => {
  const sessions = make()
  const { cookie } = await sessions.create({ userId: 'alice', values: { a: 1 } })
  expect((await sessions.load({ cookie })).userId).toBe('alice')
  expect((await sessions.load({ cookie, secure: false, host: 'localhost' })).a).toBe(1)
})

describe('with a revocation store', () => {
  const withRevocation = () => {
    const revocation = memoryStore()
    return { revocation, sessions: make({ revocation }) }
  }

  test('a cookie that was copied before the logout is dead after it', async () => {
    const { sessions } = withRevocation()
    const jar: Jar = new Map()
    await request(sessions, jar, (session) => session.signIn('alice'))
    const copied = new Map(jar)
    expect((await request(sessions, copied)).session.userId).toBe('alice')
    await request(sessions, jar, (session) => session.destroy())
    expect((await request(sessions, copied)).session.userId).toBe(null)
  })

  test('so is a guest’s after the sign-in, and one of a user who was ended', async () => {
    const { sessions } = withRevocation()
    const jar: Jar = new Map()
    await request(sessions, jar, (session) => Object.assign(session, { a: 1 }))
    const guest = new Map(jar)
    await request(sessions, jar, (session) => session.signIn('alice'))
    expect((await request(sessions, guest)).session.isNew).toBe(true)
    const { session } = await request(sessions, jar)
    expect([session.userId, session.a]).toEqual(['alice', 1])
    expect((await sessions.list({ userId: 'alice' })).sessions).toHaveLength(1)
    expect(await sessions.endAll('alice')).toBe(1)
    expect((await request(sessions, jar)).session.isNew).toBe(true)
  })

  test('the server keeps none of the values, and is not written for them', async () => {
    const { sessions, revocation } = withRevocation()
    const jar: Jar = new Map()
    const { session } = await request(sessions, jar, (it) => Object.assign(it, { text: 'private' }))
    const kept = await revocation.read(session.id)
    expect(Object.keys(kept?.values ?? {})).toEqual(['__token'])
    let writes = 0
    const { patch } = revocation
    revocation.patch = (id, change) => {
      writes++
      return patch(id, change)
    }
    await request(make({ revocation }), jar, (it) => Object.assign(it, { text: 'more' }))
    expect(writes).toBe(0)
  })

  test.each([false, true])(
    'a change after the end is dropped, and that is told (a sign-in took the token: %s)',
    async (again) => {
      const { sessions } = withRevocation()
      const dropped: unknown[] = []
      sessions.on('writeDropped', ({ id, reason, names }) => dropped.push({ id, reason, names }))
      const jar: Jar = new Map()
      const { id } = (await request(sessions, jar, (session) => session.signIn('alice'))).session
      const { result, cookies } = await request(sessions, new Map(jar), async (session) => {
        if (again) await request(sessions, new Map(jar), (it) => it.signIn('alice'))
        else await sessions.end(id)
        session.a = 1
        return session.save()
      })
      expect([result, cookies]).toEqual([false, []])
      expect(dropped).toEqual([{ id, reason: again ? 'token_replaced' : 'ended', names: ['a'] }])
    },
  )

  test.each([true, false])(
    'it ends after the response has begun, where it is kept on the server: %s',
    async (isKept) => {
      const { sessions, revocation } = isKept ? withRevocation() : { sessions: make(), revocation: null }
      const app = express()
      app.use(expressSession(sessions))
      app.get('/', async (req, res) => {
        res.write('begun ')
        try {
          req.session.destroy()
          await req.session.save()
          res.end('ended')
        } catch (error) {
          res.end((error as SojournError).code)
        }
      })
      const { session, cookie } = await sessions.create({ userId: 'alice' })
      const { text } = await supertest(app).get('/').set('Cookie', cookie).set('Host', 'localhost')
      expect(text).toBe(isKept ? 'begun ended' : 'begun headers_sent')
      if (revocation) expect(await revocation.read(session.id)).toBe(null)
      expect((await sessions.load({ cookie })).isNew).toBe(isKept)
    },
  )

  test('its expiry counts, where the response that moved it was lost', async () => {
    const { sessions } = withRevocation()
    const jar: Jar = new Map()
    await request(sessions, jar, (session) => session.signIn('alice'))
    now += day / 2
    await request(sessions, new Map(jar))
    now += 0.6 * day
    const saved = await request(sessions, jar, (session) => Object.assign(session, { a: 1 }).save())
    expect([saved.session.userId, saved.result]).toEqual(['alice', true])
    expect((await request(sessions, jar)).session.a).toBe(1)
  })

  test('a sign-out that failed takes nothing from the browser', async () => {
    const revocation = memoryStore()
    const sessions = make({ revocation })
    const jar: Jar = new Map()
    await request(sessions, jar, (session) => session.signIn('alice'))
    const remove = revocation.delete
    revocation.delete = () => Promise.reject(new Error('down'))
    const answer = withSession(sessions, async (_request, session) => {
      session.signOut()
      const failure = await session.save().catch((error: SojournError) => error.code)
      return new Response(String(failure), { status: 503 })
    })
    const cookie = cookieHeader(jar)
    const response = await answer(new Request('https://app.test/', { headers: { cookie } }))
    expect(await response.text()).toBe('store_unavailable')
    expect(response.headers.getSetCookie()).toEqual([])
    revocation.delete = remove
    expect((await request(sessions, jar)).session.userId).toBe('alice')
  })

  test('a request that lost its session to a sign-in does not send what it had saved before', async () => {
    const { sessions } = withRevocation()
    const jar: Jar = new Map()
    await request(sessions, jar, (session) => session.signIn('alice'))
    const { cookies } = await request(sessions, new Map(jar), async (session) => {
      session.a = 1
      expect(await session.save()).toBe(true)
      await request(sessions, jar, (it) => it.signIn('alice'))
      session.a = 2
      expect(await session.save()).toBe(false)
    })
    expect(cookies).toEqual([])
  })

  test('an outage of it is seen', async () => {
    const jar: Jar = new Map()
    await request(make({ revocation: memoryStore() }), jar, (session) => session.signIn('alice'))
    const broken = { ...memoryStore(), read: () => Promise.reject(new Error('down')) }
    await expect(request(make({ revocation: broken }), jar)).rejects.toMatchObject({ code: 'store_unavailable' })
  })
})

test.each([
  [{ secrets: 'keyboard cat' }, /^secrets is one that everybody knows\. Make one with: node -e/],
  [{ secrets: 'keyboard cat keyboard cat' }, /everybody knows|at least 32/],
  [{ secrets: 'a secret with minimum length of 32 characters' }, /everybody knows/],
  [{ secrets: 'this-is-a-secret-key-change-it-in-production' }, /everybody knows/],
  [{ secrets: 'please-change-me-to-a-random-string-of-32-chars' }, /everybody knows/],
  [{ secrets: 'averylogphrasebiggerthanthirtytwochars' }, /everybody knows/],
  [{ secrets: 'complex_password_at_least_32_characters_long' }, /everybody knows/],
  [{ secrets: 'my-secret-that-nobody-else-could-know' }, /everybody knows/],
  [{ secrets: 'session-secret-for-this-application' }, /everybody knows/],
  [{ secrets: 'some-longer-text-and-then-a-shhhh' }, /everybody knows/],
  [{ secrets: '0123456789abcdef0123456789abcdef' }, /everybody knows/],
  [{ secrets: 'abcdefghijklmnopqrstuvwxyz123456' }, /everybody knows/],
  [{ secrets: 'short' }, /^secrets needs at least 32 characters/],
  [{ secrets: 'a'.repeat(64) }, /^secrets repeats too few characters/],
  [{ secrets: [secret, 'short'] }, /^secrets\[1\] needs at least 32/],
  [{ secrets: [] }, /^secrets must be a text, or a list/],
  [{}, /^secrets must be a text, or a list/],
  [undefined, /^secrets must be a text, or a list/],
  [{ secrets: secret, revocation: null }, /^revocation must be a store; got null/],
  [{ secrets: secret, revocation: {} }, /^revocation must be a store/],
  [
    { secrets: secret, revocations: memoryStore() },
    /^cookieStore: "revocations" is not an option; there are "secrets" and/,
  ],
])('cookieStore(%j) is refused', (options, message) => {
  expect(() => cookieStore(options as never)).toThrow(message)
})
