import { describe, test } from 'vitest'
import { type Deviation, type StoreCheckName, type StorePlace, storeChecks } from '../../src/conformance/store.js'
import type { SessionStore } from '../../src/core/store.js'
import { cookieStore } from '../../src/stores/cookie.js'
import { memoryStore } from '../../src/stores/memory.js'
import { browserStore, type Jar } from './browser-store.js'

// The contract, for sessions that browsers carry: what it cannot keep is named here.

const secrets = 'Wm9vPq3vXk1c8rT5yB2nH7dLs0fGjA4e'
const maxValueBytes = 8_000

const places = new Map<string, { browsers: Map<string, Jar>; revocation: SessionStore }>()
function at({ name, after }: StorePlace) {
  const place = places.get(name) ?? { browsers: new Map(), revocation: memoryStore() }
  places.set(name, place)
  after(() => places.delete(name))
  return place
}

type Exceptions = { readonly [reason: string]: readonly StoreCheckName[] }
const deviationsOf = (exceptions: Exceptions): Deviation<StoreCheckName>[] =>
  Object.entries(exceptions).flatMap(([reason, checks]) => checks.map((check) => ({ check, reason })))

const always: Exceptions = {
  'parallel responses race: the cookie that arrives last is kept': [
    'race: writers of different values all keep their change',
    'race: a move of the expiry and a change of user lose no value',
    'race: of writers with the same `when`, one wins',
    'race: a counter kept by compare and set is exact',
  ],
  'the texts of this check take more than three cookies': ['values: text is kept to the byte'],
}

describe('a sealed cookie', () => {
  const checks = storeChecks({
    makeStore: (place) => browserStore(cookieStore({ secrets }), at(place).browsers),
    maxValueBytes,
    deviations: deviationsOf({
      ...always,
      'only the browser knows which sessions there are; the engine makes up every id anew': [
        'create refuses an id that is taken, and changes nothing',
        'create never overwrites an expired record that is still there',
        'race: of creates of one id, one wins',
      ],
      'a response that was under way when the session ended brings its cookie back': [
        'race: no late write revives what was deleted',
        'race: of deletes of one id, one finds it',
      ],
    }),
  })
  for (const { name, run } of checks) test(name, run)
})

describe('a sealed cookie with a revocation store', () => {
  const checks = storeChecks({
    makeStore(place) {
      const { browsers, revocation } = at(place)
      return browserStore(cookieStore({ secrets, revocation }), browsers)
    },
    maxValueBytes,
    deviations: deviationsOf({
      ...always,
      'the expiry and the owner are on the server, and the values in the browser': [
        'race: a reader never sees half of a patch',
      ],
    }),
  })
  for (const { name, run } of checks) test(name, run)
})
