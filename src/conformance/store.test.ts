import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import type { SessionPatch, SessionRecord, SessionStore } from '../core/store.js'
import { type OptionalMethod, type StoreChecksOptions, storeChecks } from './store.js'

/** Records that several stores reach over an imagined network: every call takes a turn before and after its one step. */
interface Backend {
  records: Map<string, SessionRecord>
  watchers: Set<(id: string) => void>
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
const copy = (record: SessionRecord): SessionRecord => ({ ...record, values: { ...record.values } })
const methods: OptionalMethod[] = ['list', 'sweep', 'watch', 'close']

/** A correct store, to be broken one sentence at a time. */
function correctStore({ records, watchers }: Backend) {
  return {
    async read(id: string): Promise<SessionRecord | null> {
      await turn()
      const record = records.get(id)
      return record ? copy(record) : null
    },
    async create(id: string, record: SessionRecord): Promise<boolean> {
      const mine = copy(record)
      await turn()
      if (records.has(id)) return false
      records.set(id, mine)
      return true
    },
    async patch(id: string, patch: SessionPatch) {
      const { now, set = {}, unset = [], userId, expiresAt, when = {} } = structuredClone(patch)
      await turn()
      const record = records.get(id)
      if (!record || record.expiresAt <= now) return 'absent'
      const current = new Map(Object.entries(record.values))
      for (const [name, text] of Object.entries(when)) if ((current.get(name) ?? null) !== text) return 'conflict'
      for (const [name, text] of Object.entries(set)) current.set(name, text)
      for (const name of unset) current.delete(name)
      record.values = Object.fromEntries(current)
      if (userId !== undefined) record.userId = userId
      if (expiresAt !== undefined) record.expiresAt = expiresAt
      return 'applied'
    },
    async delete(id: string): Promise<boolean> {
      await turn()
      if (!records.delete(id)) return false
      for (const tell of watchers) tell(id)
      return true
    },
    async list({ userId, after = '', limit }: Parameters<NonNullable<SessionStore['list']>>[0]) {
      await turn()
      const ids = [...records.keys()].filter((id) => id > after).sort()
      const entries = ids.map((id): [string, SessionRecord] => [id, copy(records.get(id) as SessionRecord)])
      return entries.filter(([, record]) => userId === undefined || record.userId === userId).slice(0, limit)
    },
    async sweep(before: number, limit: number) {
      await turn()
      const expired = [...records].filter(([, record]) => record.expiresAt <= before).slice(0, limit)
      for (const [id] of expired) records.delete(id)
      return expired.length
    },
    async watch(ended: (id: string | null) => void) {
      const tell = (id: string) => setImmediate(() => watchers.has(tell) && ended(id))
      watchers.add(tell)
      await turn()
      return async () => void watchers.delete(tell)
    },
    async close() {},
  } satisfies SessionStore
}

type CorrectStore = ReturnType<typeof correctStore>

/** Options that give the correct store, changed by `breakIt`. */
function optionsFor(breakIt: (store: CorrectStore, backend: Backend) => Partial<SessionStore> = () => ({})) {
  const backends = new Map<string, Backend>()
  return {
    makeStore({ name, after }) {
      const backend = backends.get(name) ?? { records: new Map(), watchers: new Set() }
      backends.set(name, backend)
      after(() => backends.delete(name))
      const store = correctStore(backend)
      return { ...store, ...breakIt(store, backend) }
    },
    methods,
  } satisfies StoreChecksOptions
}

/** The names of the checks that a store fails. */
async function failures(options: StoreChecksOptions): Promise<string[]> {
  const failed: string[] = []
  for (const { name, run } of storeChecks(options)) await run().catch(() => failed.push(name))
  return failed
}

test('a correct store passes every check', async () => {
  for (const { run } of storeChecks(optionsFor())) await run()
})

test('a store passes that answers at once to who lists, and later to who writes', async () => {
  const readsAtOnce = optionsFor((_, { records }) => ({
    list({ userId, after = '', limit }) {
      const ids = [...records.keys()].filter((id) => id > after).sort()
      const entries = ids.map((id): [string, SessionRecord] => [id, copy(records.get(id) as SessionRecord)])
      return entries.filter(([, record]) => userId === undefined || record.userId === userId).slice(0, limit)
    },
  }))
  for (const { name, run } of storeChecks(readsAtOnce)) if (name.startsWith('list:')) await run()
})

test('a store of small values passes, where it is told how small', async () => {
  const refuseLarge = (values: SessionRecord['values'] = {}) => {
    if (Object.values(values).some((text) => Buffer.byteLength(text) > 255)) throw new Error('too large')
  }
  const small = optionsFor((store) => ({
    async create(id, record) {
      refuseLarge(record.values)
      return store.create(id, record)
    },
    async patch(id, patch) {
      refuseLarge(patch.set)
      return store.patch(id, patch)
    },
  }))
  expect(await failures({ ...small, maxValueBytes: 255 })).toEqual([])
})

test('the example in the contract, which the tests of the documents compile, passes', async () => {
  const contract = readFileSync(new URL('../core/store.ts', import.meta.url), 'utf8')
  const example = /```ts\n([\s\S]*?)```/.exec(contract)?.[1]?.replace(/^ \* ?/gm, '')
  const folder = mkdtempSync(join(tmpdir(), 'sojourn-'))
  try {
    const path = join(folder, 'map-store.mts')
    writeFileSync(path, example ?? '')
    const { mapStore } = (await import(/* @vite-ignore */ pathToFileURL(path).href)) as { mapStore: () => SessionStore }
    expect(await failures({ makeStore: mapStore, shared: false })).toEqual([])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

/** Flaws seen in stores of this field, each with a check that must catch it. */
const flaws: Record<string, [check: string, breakIt: Parameters<typeof optionsFor>[0]]> = {
  'a patch that upserts': [
    'patch of an unknown id is absent and creates nothing',
    (store) => ({
      async patch(id, patch) {
        const expiresAt = patch.now + 1000
        await store.create(id, { values: {}, userId: null, createdAt: patch.now, expiresAt })
        return store.patch(id, patch)
      },
    }),
  ],
  'a patch that revives': [
    'race: no late write revives what was deleted',
    (store, { records }) => ({
      async patch(id, patch) {
        const record = await store.read(id)
        const outcome = await store.patch(id, patch)
        if (outcome === 'absent' && record) records.set(id, record)
        return outcome
      },
    }),
  ],
  'a read-modify-write': [
    'race: writers of different values all keep their change',
    (store, { records }) => ({
      async patch(id, patch) {
        const record = await store.read(id)
        const alone = correctStore({ records: new Map(record ? [[id, record]] : []), watchers: new Set() })
        const outcome = await alone.patch(id, patch)
        if (record && records.has(id)) records.set(id, record)
        return outcome
      },
    }),
  ],
  'an expiry move that rewrites the values': [
    'race: a move of the expiry and a change of user lose no value',
    (store, { records }) => ({
      async patch(id, patch) {
        if (patch.expiresAt === undefined || patch.set) return store.patch(id, patch)
        const before = await store.read(id)
        const outcome = await store.patch(id, patch)
        const record = records.get(id)
        if (record && before) record.values = before.values
        return outcome
      },
    }),
  ],
  'an expiry move that is left out where it is small': [
    'patch moves the expiry, later and earlier, and keeps the values',
    (store, { records }) => ({
      patch(id, { expiresAt, ...patch }) {
        const before = records.get(id)?.expiresAt ?? 0
        const isSmall = expiresAt !== undefined && !patch.set && Math.abs(expiresAt - before) < 60_000
        return store.patch(id, isSmall || expiresAt === undefined ? patch : { ...patch, expiresAt })
      },
    }),
  ],
  'an expiry move that writes the values in another form': [
    'patch moves the expiry, later and earlier, and keeps the values',
    (store, { records }) => ({
      async patch(id, patch) {
        const outcome = await store.patch(id, patch)
        const record = records.get(id)
        if (record && patch.expiresAt !== undefined) record.values = reformatted(record.values)
        return outcome
      },
    }),
  ],
  'a patch in two steps': [
    'race: a reader never sees half of a patch',
    (store) => ({
      async patch(id, patch) {
        const { set = {}, ...rest } = patch
        const [first, ...others] = Object.entries(set)
        if (first && others.length) await store.patch(id, { ...rest, set: Object.fromEntries([first]) })
        return store.patch(id, patch)
      },
    }),
  ],
  'a create in two steps': [
    'race: a reader never sees half of a create',
    (store, { records }) => ({
      async create(id, record) {
        const isNew = await store.create(id, { ...record, values: {} })
        await turn()
        const row = records.get(id)
        if (isNew && row) row.values = { ...record.values, ...row.values }
        return isNew
      },
    }),
  ],
  'a `when` that is compared before, not with, the write': [
    'race: of writers with the same `when`, one wins',
    (store) => ({
      async patch(id, { when, ...patch }) {
        const outcome = when ? await store.patch(id, { now: patch.now, when }) : 'applied'
        return outcome === 'applied' ? store.patch(id, patch) : outcome
      },
    }),
  ],
  'a lost `when`': [
    'patch is a conflict when one condition fails, and changes nothing',
    (store) => ({ patch: (id, { when: _, ...patch }) => store.patch(id, patch) }),
  ],
  'a `when` of one name only': [
    'patch is a conflict when one condition fails, and changes nothing',
    (store) => ({
      patch: (id, { when = {}, ...patch }) =>
        store.patch(id, { ...patch, when: Object.fromEntries(Object.entries(when).slice(0, 1)) }),
    }),
  ],
  'a `when` that takes null for "do not care"': [
    'patch is a conflict when one condition fails, and changes nothing',
    (store) => ({
      patch: (id, { when = {}, ...patch }) =>
        store.patch(id, {
          ...patch,
          when: Object.fromEntries(Object.entries(when).filter(([, text]) => text !== null)),
        }),
    }),
  ],
  'an ignored `now`': [
    'patch counts a record as absent from its expiry on',
    (store) => ({ patch: (id, patch) => store.patch(id, { ...patch, now: 0 }) }),
  ],
  'an expiry that is exclusive': [
    'patch counts a record as absent from its expiry on',
    (store) => ({ patch: (id, patch) => store.patch(id, { ...patch, now: patch.now - 1 }) }),
  ],
  'a clock of its own': [
    'patch goes by the time it is given, not by a clock of its own',
    (store) => ({ patch: (id, patch) => store.patch(id, { ...patch, now: Math.max(patch.now, Date.now()) }) }),
  ],
  'a create that overwrites': [
    'create refuses an id that is taken, and changes nothing',
    (_, { records }) => ({
      async create(id, record) {
        const isNew = !records.has(id)
        records.set(id, copy(record))
        return isNew
      },
    }),
  ],
  'a create that looks first': [
    'race: of creates of one id, one wins',
    (store, { records }) => ({
      async create(id, record) {
        if (await store.read(id)) return false
        await turn()
        records.set(id, copy(record))
        return true
      },
    }),
  ],
  'a create that overwrites what has expired': [
    'create never overwrites an expired record that is still there',
    (store, { records }) => ({
      async create(id, record) {
        const before = records.get(id)
        if (before && before.expiresAt <= Date.now()) records.delete(id)
        return store.create(id, record)
      },
    }),
  ],
  'a create that refuses what has expired, and changes it': [
    'create never overwrites an expired record that is still there',
    (store, { records }) => ({
      async create(id, record) {
        const before = records.get(id)
        if (before && before.expiresAt <= Date.now()) records.set(id, copy(record))
        return store.create(id, record)
      },
    }),
  ],
  'a record of 150 values at most': [
    'create writes a record of many values, and a patch keeps them',
    (store) => ({
      create: (id, record) =>
        store.create(id, { ...record, values: Object.fromEntries(Object.entries(record.values).slice(0, 150)) }),
    }),
  ],
  'a sign-out that loses the values of its patch': [
    'patch changes everything it names in one go',
    (store) => ({
      patch: (id, { set = {}, ...patch }) => store.patch(id, patch.userId === null ? patch : { ...patch, set }),
    }),
  ],
  'unset stored as null': [
    'patch removes values, and an unset name is gone',
    (store) => ({
      patch: (id, { set, unset = [], ...patch }) =>
        store.patch(id, { ...patch, set: { ...set, ...Object.fromEntries(unset.map((name) => [name, 'null'])) } }),
    }),
  ],
  'an unset of ten names at most': [
    'names: any well-formed name can be set, compared and unset',
    (store) => ({ patch: (id, { unset = [], ...patch }) => store.patch(id, { ...patch, unset: unset.slice(0, 10) }) }),
  ],
  'a nested merge': [
    'patch replaces a value whole',
    (store) => ({
      async patch(id, patch) {
        const { values = {} } = (await store.read(id)) ?? {}
        const set = Object.entries(patch.set ?? {}).map(([name, text]) => [name, merged(values[name], text)])
        return store.patch(id, { ...patch, set: Object.fromEntries(set) })
      },
    }),
  ],
  'values parsed and written again': [
    'values: text is kept to the byte',
    (store) => ({
      create: (id, record) => store.create(id, { ...record, values: reformatted(record.values) }),
      patch: (id, patch) => store.patch(id, patch.set ? { ...patch, set: reformatted(patch.set) } : patch),
    }),
  ],
  'a name with a dot that leads inside': [
    'names: any well-formed name can be created',
    (store) => ({
      create: (id, record) =>
        store.create(id, { ...record, values: renamed(record.values, (name) => name.split('.')[0] as string) }),
    }),
  ],
  'records that are read as JSON': [
    'names: one record is not read with the names of another',
    () => {
      const texts = new Map<string, string>()
      return {
        async create(id, record) {
          texts.set(id, JSON.stringify(record))
          return true
        },
        read: async (id) => JSON.parse(texts.get(id) as string),
      }
    },
  ],
  'names that look inherited': [
    'names: what every object inherits is absent until it is set',
    (store, { records }) => ({
      async patch(id, patch) {
        const values = records.get(id)?.values ?? {}
        const inherited = (name: string) => name in values && !Object.hasOwn(values, name)
        return Object.keys(patch.when ?? {}).some(inherited) ? 'conflict' : store.patch(id, patch)
      },
    }),
  ],
  'names that are assigned rather than defined': [
    'names: any well-formed name can be created',
    (store) => ({
      async read(id) {
        const record = await store.read(id)
        if (!record) return null
        const values: Record<string, string> = {}
        for (const [name, text] of Object.entries(record.values)) values[name] = text
        return { ...record, values }
      },
    }),
  ],
  'values under a loose collation': [
    'values: text compares byte for byte',
    (store, { records }) => ({
      async patch(id, patch) {
        const values = records.get(id)?.values ?? {}
        const alike = Object.entries(patch.when ?? {}).map(([name, text]) => {
          const current = Object.hasOwn(values, name) ? (values[name] as string) : null
          return [name, text !== null && current !== null && isAlike(text, current) ? current : text]
        })
        return store.patch(id, { ...patch, when: Object.fromEntries(alike) })
      },
    }),
  ],
  'users under a loose collation': [
    'list: by user gives the sessions of that user and no other',
    (store) => ({
      async list({ userId, ...page }) {
        const all = await store.list({ ...page, limit: 10_000 })
        const mine = all.filter(([, record]) => userId === undefined || isAlike(record.userId ?? '', userId))
        return mine.slice(0, page.limit)
      },
    }),
  ],
  'ids without case': [
    'ids compare byte for byte',
    (store) => ({
      read: (id) => store.read(id.toLowerCase()),
      create: (id, record) => store.create(id.toLowerCase(), record),
      patch: (id, patch) => store.patch(id.toLowerCase(), patch),
      delete: (id) => store.delete(id.toLowerCase()),
    }),
  ],
  'text that UTF-8 replaced': [
    'text that is not well-formed is refused or kept, never altered',
    (store) => ({
      create: (id, record) => store.create(id, { ...record, userId: record.userId?.toWellFormed() ?? null }),
    }),
  ],
  'a value that is cut short': [
    'values: one that is too large is refused whole',
    (store) => ({
      create: (id, record) =>
        store.create(id, {
          ...record,
          values: Object.fromEntries(
            Object.entries(record.values).map(([name, text]) => [name, text.slice(0, 1 << 20)]),
          ),
        }),
    }),
  ],
  'records that are shared with the reader': [
    'what read returns belongs to the caller',
    (_, { records }) => ({ read: async (id) => records.get(id) ?? null }),
  ],
  'records that are shared with the writer': [
    'what a store was handed is not kept',
    (_, { records }) => ({
      async create(id, record) {
        if (records.has(id)) return false
        records.set(id, Object.isFrozen(record) ? copy(record) : record)
        return true
      },
    }),
  ],
  'records that are shared with a lister': [
    'list: what it returns belongs to the caller',
    (store, { records }) => ({
      list: async (page) => (await store.list(page)).map(([id]) => [id, records.get(id) as SessionRecord]),
    }),
  ],
  'a read that is remembered': [
    'read gives what another store wrote, also of what it read before',
    (store) => {
      const remembered = new Map<string, SessionRecord | null>()
      const write =
        <Rest extends unknown[], Result>(method: (id: string, ...rest: Rest) => Result) =>
        (id: string, ...rest: Rest) => {
          remembered.delete(id)
          return method(id, ...rest)
        }
      return {
        async read(id) {
          const record = remembered.get(id) ?? (await store.read(id))
          remembered.set(id, record)
          return record && copy(record)
        },
        create: write(store.create),
        patch: write(store.patch),
        delete: write(store.delete),
      }
    },
  ],
  'an absence that is remembered': [
    'read gives what another store wrote, also of what it read before',
    (store) => {
      const absent = new Set<string>()
      return {
        async read(id) {
          const record = absent.has(id) ? null : await store.read(id)
          if (!record) absent.add(id)
          return record
        },
        create(id, record) {
          absent.delete(id)
          return store.create(id, record)
        },
      }
    },
  ],
  'a time to live that only create sets': [
    'patch moves the time at which the backend reclaims the record',
    (store) => {
      const reclaimedAt = new Map<string, number>()
      return {
        create(id, record) {
          reclaimedAt.set(id, record.expiresAt + 5 * 60_000)
          return store.create(id, record)
        },
        async read(id) {
          return (reclaimedAt.get(id) ?? Infinity) > Date.now() ? store.read(id) : null
        },
      }
    },
  ],
  'a delete that does not tell': [
    'delete removes one record and tells whether there was one',
    (store) => ({ delete: async (id) => (await store.delete(id)) || true }),
  ],
  'a delete that takes what has expired for gone': [
    'delete removes an expired record that is still there, and tells so',
    (store, { records }) => ({
      async delete(id) {
        const isLiving = (records.get(id)?.expiresAt ?? 0) > Date.now()
        return (await store.delete(id)) && isLiving
      },
    }),
  ],
  'a delete that leaves what has expired': [
    'delete removes an expired record that is still there, and tells so',
    (store, { records }) => ({
      async delete(id) {
        const record = records.get(id)
        return record && record.expiresAt <= Date.now() ? true : store.delete(id)
      },
    }),
  ],
  'an index that misses the living': [
    'list: by user follows every change of user',
    (store, { records }) => {
      const index = new Map<string, string | null>()
      return {
        async create(id, record) {
          const isNew = await store.create(id, record)
          if (isNew) index.set(id, record.userId)
          return isNew
        },
        async list({ userId, after = '', limit }) {
          if (userId === undefined) return store.list({ after, limit })
          const ids = [...index]
            .filter(([id, user]) => user === userId && id > after && records.has(id))
            .map(([id]) => id)
          return ids.sort().map((id): [string, SessionRecord] => [id, copy(records.get(id) as SessionRecord)])
        },
      }
    },
  ],
  'an index that misses the living for a moment': [
    'list: never misses a session that lives, while others write',
    (store, { records }) => ({
      async patch(id, patch) {
        const record = records.get(id)
        if (record && patch.userId !== undefined) record.userId = null
        await turn()
        return store.patch(id, patch)
      },
    }),
  ],
  'an index that names another user’s session': [
    'list: a refused write lists nobody elsewhere',
    (store, { records }) => {
      const index = new Set<string>()
      const add = (id: string, userId: string | null | undefined) => void (userId && index.add(`${userId} ${id}`))
      return {
        create(id, record) {
          add(id, record.userId)
          return store.create(id, record)
        },
        patch(id, patch) {
          add(id, patch.userId)
          return store.patch(id, patch)
        },
        async list({ userId, after = '', limit }) {
          if (userId === undefined) return store.list({ after, limit })
          const ids = [...records.keys()].filter((id) => index.has(`${userId} ${id}`) && id > after).sort()
          return ids.slice(0, limit).map((id) => [id, copy(records.get(id) as SessionRecord)])
        },
      }
    },
  ],
  'pages that the gone make shorter': [
    'list: what was deleted is gone, and does not shorten a page',
    (store, { records }) => {
      const known = new Set<string>()
      return {
        create(id, record) {
          known.add(id)
          return store.create(id, record)
        },
        async list({ userId, after = '', limit }) {
          const ids = [...known]
            .filter((id) => id > after)
            .sort()
            .slice(0, limit)
          const entries = ids.map((id) => [id, records.get(id)]).filter(([, record]) => record) as [
            string,
            SessionRecord,
          ][]
          return entries.filter(([, record]) => userId === undefined || record.userId === userId)
        },
      }
    },
  ],
  'pages that the expired make shorter': [
    'list: what has expired, shown or not, does not shorten a page',
    (store) => ({
      list: async (page) => (await store.list(page)).filter(([, record]) => record.expiresAt > Date.now()),
    }),
  ],
  'pages of a user that the expired make shorter': [
    'list: what has expired, shown or not, does not shorten a page',
    (store) => ({
      list: async (page) =>
        (await store.list(page)).filter(([, { expiresAt }]) => page.userId === undefined || expiresAt > Date.now()),
    }),
  ],
  'pages of 100 records at most': [
    'list: a page is as full as it was asked to be, also of large records',
    (store) => ({ list: (page) => store.list({ ...page, limit: Math.min(page.limit, 100) }) }),
  ],
  'pages of a user of 300 records at most': [
    'list: a page is as full as it was asked to be, also of large records',
    (store) => ({
      list: (page) => store.list(page.userId === undefined ? page : { ...page, limit: Math.min(page.limit, 300) }),
    }),
  ],
  'pages of a megabyte at most': [
    'list: a page is as full as it was asked to be, also of large records',
    (store) => ({
      async list(page) {
        let bytes = 0
        return (await store.list(page)).filter((entry) => {
          bytes += JSON.stringify(entry).length
          return bytes <= 1 << 20
        })
      },
    }),
  ],
  'a list in the order of creation': [
    'list: all sessions, in ascending order of id, in pages of any size',
    (_, { records }) => ({
      list: async ({ limit }) => [...records].slice(0, limit).map(([id, record]) => [id, copy(record)]),
    }),
  ],
  'a sweep that ignores its limit': [
    'sweep: takes no more than it is asked to, and the rest by and by',
    (store) => ({ sweep: (before) => store.sweep(before, 1000) }),
  ],
  'a sweep that takes the living': [
    'sweep: takes what expired by then, and nothing that lives',
    (store) => ({ sweep: (before, limit) => store.sweep(before + 1, limit) }),
  ],
  'a sweep by an expiry of the past': [
    'sweep: goes by the expiry as it is now',
    (store, { records }) => {
      const first = new Map<string, number>()
      return {
        create(id, record) {
          first.set(id, record.expiresAt)
          return store.create(id, record)
        },
        async sweep(before, limit) {
          const expired = [...first].filter(([id, expiresAt]) => expiresAt <= before && records.has(id)).slice(0, limit)
          for (const [id] of expired) records.delete(id)
          return expired.length
        },
      }
    },
  ],
  'a sweep that looks first': [
    'sweep: leaves a record that is given more time meanwhile',
    (_, { records }) => ({
      async sweep(before, limit) {
        await turn()
        const expired = [...records].filter(([, record]) => record.expiresAt <= before).slice(0, limit)
        await turn()
        return expired.filter(([id]) => records.delete(id)).length
      },
    }),
  ],
  'a watch that hears only its own store': [
    'watch: tells what another store deleted',
    (store) => {
      const watchers = new Set<(id: string) => void>()
      return {
        async delete(id) {
          const found = await store.delete(id)
          for (const tell of watchers) tell(id)
          return found
        },
        async watch(ended) {
          watchers.add(ended)
          return () => void watchers.delete(ended)
        },
      }
    },
  ],
  'a watch that cannot be stopped': [
    'watch: is silent once stopped, and leaves other watchers alone',
    (store) => ({
      async watch(ended) {
        await store.watch(ended)
        return () => {}
      },
    }),
  ],
  'a close that takes the records along': [
    'close: leaves the records, and other stores over them, as they are',
    (_, { records }) => ({ close: () => records.clear() }),
  ],
}

describe('the checks catch', () => {
  for (const [flaw, [check, breakIt]] of Object.entries(flaws)) {
    test(flaw, async () => {
      const options = optionsFor(breakIt)
      const caught = storeChecks(options).find(({ name }) => name === check)
      await expect(caught?.run()).rejects.toThrow()
    })
  }
})

describe('a deviation', () => {
  const check = 'list: by user follows every change of user'
  const broken = flaws['an index that misses the living']?.[1]

  test('stands in the name of its check, which is run and expected to fail', async () => {
    const deviations = [{ check, reason: 'the index lags' } as const]
    const deviating = storeChecks({ ...optionsFor(broken), deviations }).find(({ name }) => name.startsWith(check))
    expect(deviating?.name).toBe(`${check} [deviates: the index lags]`)
    await deviating?.run()
  })

  test('that is no longer one is an error', async () => {
    const deviations = [{ check, reason: 'the index lagged' } as const]
    const stale = storeChecks({ ...optionsFor(), deviations }).find(({ name }) => name.startsWith(check))
    await expect(stale?.run()).rejects.toThrow(`the store passes "${check}": remove the deviation`)
  })

  test('does not excuse a backend that is down', async () => {
    const makeStore = () => Promise.reject(new Error('connection refused'))
    const deviations = [{ check, reason: 'the index lags' } as const]
    const down = storeChecks({ makeStore, methods, deviations }).find(({ name }) => name.startsWith(check))
    await expect(down?.run()).rejects.toThrow('connection refused')
  })

  test('needs the name of a check of the store, and a reason', () => {
    const refused = (deviation: { check: string; reason: string }, declared = methods) =>
      expect(() =>
        storeChecks({
          ...optionsFor(),
          methods: declared,
          deviations: [deviation as { check: typeof check; reason: string }],
        }),
      ).toThrow(expect.objectContaining({ code: 'invalid_option' }))
    refused({ check: 'list: in no such order', reason: 'the index lags' })
    refused({ check, reason: ' ' })
    refused({ check, reason: 'the index lags' }, ['sweep'])
  })
})

describe('the optional methods', () => {
  const check = 'has the optional methods that it says, and no others'
  const run = (declared: string[]) =>
    storeChecks({ ...optionsFor(), methods: declared as OptionalMethod[] })
      .find(({ name }) => name === check)
      ?.run()

  test('are those that were declared', async () => {
    await run(['watch', 'sweep', 'list', 'close'])
    await expect(run(['list', 'sweep', 'watch'])).rejects.toThrow()
    expect(() => run(['list', 'lists'])).toThrow('"lists"')
  })

  test('bring their checks', () => {
    const names = (declared: OptionalMethod[]) =>
      storeChecks({ ...optionsFor(), methods: declared }).map(({ name }) => name)
    expect(names([]).filter((name) => /^(list|sweep|watch|close):/.test(name))).toEqual([])
    expect(names(['sweep']).filter((name) => name.startsWith('sweep:')).length).toBeGreaterThan(3)
  })
})

test.each([
  [{ deviation: [] }, /^storeChecks: "deviation" is not an option; there are "makeStore", /],
  [{ makeStore: undefined }, /^makeStore of storeChecks must be a function; got undefined/],
  [{ makeStore: {} }, /^makeStore of storeChecks must be a function/],
  [{ methods: 'list' }, /^methods of storeChecks must be a list; got "list"/],
  [{ deviations: {} }, /^deviations of storeChecks must be a list/],
  [{ shared: 'no' }, /^shared of storeChecks must be true or false; got "no"/],
  [{ maxValueBytes: '1MB' }, /^maxValueBytes of storeChecks must be a whole number from 1; got "1MB"/],
  [{ maxValueBytes: null }, /^maxValueBytes of storeChecks must be a whole number/],
])('the options %j are refused', (wrong, message) => {
  const refusal = expect.objectContaining({ code: 'invalid_option', message: expect.stringMatching(message) })
  expect(() => storeChecks({ ...optionsFor(), ...wrong } as never)).toThrow(refusal)
})

test.each([undefined, null, () => {}])('%o is no options', (options) => {
  expect(() => storeChecks(options as never)).toThrow(expect.objectContaining({ code: 'invalid_option' }))
})

test.each([undefined, null, {}])('%o is no store', async (made) => {
  const [check] = storeChecks({ makeStore: () => made as never })
  const message = expect.stringMatching(/^What makeStore of storeChecks returns must be a store; got /)
  await expect(check?.run()).rejects.toThrow(expect.objectContaining({ code: 'invalid_option', message }))
})

test('each check has a place of its own, closes what it opened, and cleans up whatever happens', async () => {
  const log: string[] = []
  const places = new Set<string>()
  const { makeStore } = optionsFor((store) => ({
    read: async () => {
      throw new Error('read failed')
    },
    close: async () => {
      log.push('close')
      await store.close()
    },
  }))
  const checks = storeChecks({
    methods,
    makeStore(place) {
      places.add(place.name)
      place.after(() => log.push('clean up'))
      return makeStore(place)
    },
  })
  const reading = checks.filter(({ name }) => name.startsWith('read '))
  for (const { run } of reading) {
    log.length = 0
    await expect(run()).rejects.toThrow('read failed')
    expect(log).toEqual(['close', 'close', 'clean up', 'clean up'])
  }
  expect(places.size).toBe(reading.length)
  for (const name of places) expect(name).toMatch(/^[a-z0-9_]{1,40}$/)
})

/** What a database does that takes a text for an object and merges it. */
function merged(before: string | undefined, text: string): string {
  const [old, value] = [before ? JSON.parse(before) : null, JSON.parse(text)]
  return isObject(old) && isObject(value) ? JSON.stringify({ ...old, ...value }) : text
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function reformatted(values: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, text]) => [name, JSON.stringify(JSON.parse(text))]))
}

function renamed(values: Record<string, string>, rename: (name: string) => string): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, text]) => [rename(name), text]))
}

/** How MariaDB compares unless it is told otherwise. */
function isAlike(a: string, b: string): boolean {
  return a.trimEnd().localeCompare(b.trimEnd(), 'en', { sensitivity: 'base' }) === 0
}
