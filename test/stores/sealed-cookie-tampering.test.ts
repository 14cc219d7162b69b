import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import type { SessionsOptions } from '../../src/core/options.js'
import { createSessions, type Sessions } from '../../src/core/sessions.js'
import { cookieStore } from '../../src/stores/cookie.js'
import { memoryStore } from '../../src/stores/memory.js'
import { cookieHeader, type Jar, takeCookies } from './browser-store.js'

interface Data {
  text: string
}

const oldSecret = 'Wm9vPq3vXk1c8rT5yB2nH7dLs0fGjA4e'
const newSecret = 'q8Rz1LxVt6Kp3YwNb5Mc9HsJd2FgTaEu'
/** Of values, for a session that takes one cookie, two, or three. */
const lengths = [10, 4_000, 7_000]

function make(secrets: string | string[] = oldSecret, options: SessionsOptions = {}): Sessions<Data> {
  return createSessions<Data>({ store: cookieStore({ secrets }), ...options })
}

/** One request of a browser. */
async function visit(
  sessions: Sessions<Data>,
  jar: Jar,
  handle: (session: Awaited<ReturnType<typeof sessions.load>>) => unknown,
): Promise<void> {
  const session = await sessions.load({ cookie: cookieHeader(jar) })
  await handle(session)
  takeCookies(jar, await sessions.commit(session))
}

/** The cookies of a user who signed in. */
async function jarOf(sessions: Sessions<Data>, userId: string, length: number): Promise<Jar> {
  const jar: Jar = new Map()
  await visit(sessions, jar, (session) => {
    session.signIn(userId)
    session.text = userId.charAt(0).repeat(length)
  })
  return jar
}

async function isFresh(sessions: Sessions<Data>, jar: Jar): Promise<boolean> {
  const session = await sessions.load({ cookie: cookieHeader(jar) })
  return session.isNew && session.userId === null && Object.keys(session).length === 0
}

describe.each(lengths)('a session with a value of %i characters', (length) => {
  const sessions = make()
  let ann: Jar
  beforeAll(async () => {
    ann = await jarOf(sessions, 'ann', length)
    expect(ann.size).toBe(1 + lengths.indexOf(length))
    expect(await isFresh(sessions, ann)).toBe(false)
  })

  /** Changes one of the cookies, at each position of it. */
  async function isFreshWith(change: (value: string, position: number) => string): Promise<void> {
    for (const [name, value] of ann) {
      for (let position = 0; position < value.length; position++) {
        const changed = new Map(ann).set(name, change(value, position))
        if (!(await isFresh(sessions, changed))) expect.fail(`${name} changed at ${position} was taken`)
      }
    }
  }

  test('is not found with a bit flipped, at any position of any of its cookies', () =>
    isFreshWith((value, position) => {
      const flipped = String.fromCharCode(value.charCodeAt(position) ^ (1 << (position % 7)))
      return value.slice(0, position) + flipped + value.slice(position + 1)
    }))

  test('is not found with any of its cookies cut, at the end or at the beginning, or gone', async () => {
    await isFreshWith((value, position) => value.slice(0, position))
    await isFreshWith((value, position) => value.slice(position + 1))
    for (const name of ann.keys()) {
      const some = new Map(ann)
      some.delete(name)
      expect(await isFresh(sessions, some)).toBe(true)
    }
  })

  test('is not found with a part of another user’s cookie, wherever it begins and ends', async () => {
    const bob = await jarOf(sessions, 'bob', length)
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...ann.keys()), fc.nat(), fc.nat(), async (name, one, other) => {
        const [hers = '', his = ''] = [ann.get(name), bob.get(name)]
        const [begin = 0, end = 0] = [one % hers.length, other % hers.length].sort((a, b) => a - b)
        const mixed = hers.slice(0, begin) + his.slice(begin, end) + hers.slice(end)
        fc.pre(mixed !== hers && mixed !== his)
        expect(await isFresh(sessions, new Map(ann).set(name, mixed))).toBe(true)
      }),
      { numRuns: 500 },
    )
  })

  test('is not found with its cookies in another order, or among those of another time, user or cookie', async () => {
    const later = new Map(ann)
    await visit(sessions, later, (session) => {
      session.text = 'b'.repeat(length)
    })
    const elsewhere = await jarOf(make(oldSecret, { cookie: { name: 'other' } }), 'ann', length)
    const whole = [ann, later, await jarOf(sessions, 'bob', length)].map((jar) => [...jar.values()])
    const values = [...whole, [...elsewhere.values()]].flat()
    for (const mixed of combinations(values, ann.size)) {
      const jar = new Map(Array.from(ann.keys(), (name, index) => [name, mixed[index] ?? '']))
      const isWhole = whole.some((one) => one.every((value, index) => value === mixed[index]))
      if ((await isFresh(sessions, jar)) === isWhole)
        expect.fail(`the cookies ${mixed.map((it) => values.indexOf(it))}`)
    }
  })

  test('is not found when it was made under a key that is no longer there', async () => {
    const rotating = make([newSecret, oldSecret])
    expect(await isFresh(rotating, ann)).toBe(false)
    expect(await isFresh(make(newSecret), ann)).toBe(true)
    const jar = new Map(ann)
    await visit(rotating, jar, (session) => {
      session.text += '!'
    })
    expect(await isFresh(make(newSecret), jar)).toBe(false)
    expect(await isFresh(make(oldSecret), jar)).toBe(true)
  })
})

// Of the last character some bits may stand for nothing, by the length.
test.each([10, 11, 12])(
  'a session with a value of %i characters is not found with another last character',
  async (length) => {
    const sessions = make()
    const [[name, value = ''] = ['']] = await jarOf(sessions, 'ann', length)
    for (const last of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_') {
      const changed = value.slice(0, -1) + last
      expect(await isFresh(sessions, new Map([[name, changed]])), last).toBe(changed !== value)
    }
  },
)

/** Every choice of some values, in order and with repetition. */
function combinations(values: readonly string[], count: number): string[][] {
  if (count === 0) return [[]]
  return combinations(values, count - 1).flatMap((rest) => values.map((value) => [...rest, value]))
}

test('with a revocation store, no cookie that a session ever had is good after its end', async () => {
  const steps = {
    small: (session) => Object.assign(session, { text: 'x' }),
    large: (session) => Object.assign(session, { text: 'x'.repeat(7_000) }),
    'sign in': (session) => session.signIn('ann'),
    renew: (session) => session.renew(),
    touch: (session) => session.touch(),
  } satisfies { [name: string]: (session: Awaited<ReturnType<Sessions<Data>['load']>>) => unknown }
  const step = fc.constantFrom(...(Object.keys(steps) as (keyof typeof steps)[]))
  const ending = fc.constantFrom('sign out', 'destroy', 'regenerate', 'end', 'end all')
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), ending, async (names, end) => {
      const sessions = createSessions<Data>({ store: cookieStore({ secrets: oldSecret, revocation: memoryStore() }) })
      const jar: Jar = new Map()
      await visit(sessions, jar, (session) => session.signIn('ann'))
      const copies = [new Map(jar)]
      for (const name of names) {
        await visit(sessions, jar, steps[name])
        copies.push(new Map(jar))
      }
      expect(await isFresh(sessions, jar)).toBe(false)
      await visit(sessions, new Map(jar), (session) => {
        if (end === 'sign out') session.signOut()
        else if (end === 'destroy') session.destroy()
        else if (end === 'regenerate') session.regenerate()
        else return end === 'end' ? sessions.end(session.id as string) : sessions.endAll('ann')
      })
      for (const copy of copies) expect(await isFresh(sessions, copy)).toBe(true)
    }),
    { numRuns: 200 },
  )
})
