import { compareAndSet } from '../core/compare-and-set.js'
import { SojournError } from '../core/errors.js'
import { byKey, byName } from '../core/json-keys.js'
import { refuseUnknownOptions } from '../core/option-checks.js'
import {
  holds,
  type PatchOutcome,
  patched,
  type SessionPatch,
  type SessionRecord,
  type SessionStore,
} from '../core/store.js'
import { refuseIllFormed } from '../core/well-formed.js'
import type { Commands } from './memcached/commands.js'
import { isMemjs, type MemjsClient, overMemjs } from './memcached/memjs.js'
import { isNodeMemcached, type NodeMemcachedClient, overNodeMemcached } from './memcached/node-memcached.js'

export type { MemjsClient } from './memcached/memjs.js'
export type { NodeMemcachedClient } from './memcached/node-memcached.js'

/** What `memcachedStore` takes. `client` is needed. */
export interface MemcachedStoreOptions {
  /** A client of `memjs` or of `memcached`. It stays the app's to close. */
  client: MemjsClient | NodeMemcachedClient
  /** What every key begins with: 1 to 100 visible ASCII characters. `'sojourn:'` unless said. */
  prefix?: string
  /** The largest item that the server takes, in bytes: its option `-I`. 1,048,576 unless said, as there. */
  maxItemBytes?: number
}

/**
 * Keeps sessions in Memcached, one item each, for any number of processes. Parallel requests lose no update, and what
 * was ended stays ended, as long as the server keeps what it was given.
 *
 * It may not: it evicts items when its memory is full, which signs visitors out, and forgets everything in a restart. A
 * node that leaves a group and rejoins brings back what it held, ended sessions too. There is no `list`, so nobody can
 * be signed out everywhere. Where any of this matters, take Redis or a database.
 *
 * Rejects with `record_too_large` beyond `maxItemBytes`, and with `contention` where one session is changed without a
 * pause from many processes.
 *
 * @throws `invalid_option` for a client that is neither of these
 */
export function memcachedStore(options: MemcachedStoreOptions): SessionStore {
  const { commands, prefix, maxItemBytes } = checked(options)
  const keyOf = (id: string) => prefix + id
  const untilAlone = compareAndSet('memcachedStore')

  function itemOf(
    key: string,
    { values, userId, createdAt, expiresAt }: SessionRecord,
  ): [text: string, expiry: number] {
    const text = JSON.stringify({ userId, createdAt, expiresAt, values: byKey(values) })
    if (Buffer.byteLength(text) + key.length + itemOverhead > maxItemBytes) {
      throw new SojournError(
        'record_too_large',
        `memcachedStore: a session of ${Buffer.byteLength(text)} bytes is beyond the limit of Memcached, ${maxItemBytes} bytes an item: keep less in it, or raise -I of the server and "maxItemBytes"`,
      )
    }
    return [text, expiryOf(expiresAt)]
  }

  /** Tries until nobody else came between; `undefined` when somebody did. */
  async function attempt(key: string, patch: SessionPatch): Promise<PatchOutcome | undefined> {
    const found = await commands.find(key)
    const record = found && recordOf(found.text)
    if (!record || record.expiresAt <= patch.now) return 'absent'
    if (!holds(record.values, patch.when)) return 'conflict'
    const [text, expiry] = itemOf(key, patched(record, patch))
    const done = text === found.text || (await found.replace(text, expiry))
    return done ? 'applied' : undefined
  }

  return {
    async read(id) {
      const found = await commands.find(keyOf(id))
      return found && recordOf(found.text)
    },

    async create(id, record) {
      refuseIllFormed(record)
      return commands.add(keyOf(id), ...itemOf(keyOf(id), record))
    },

    async patch(id, patch) {
      refuseIllFormed(patch)
      return untilAlone(id, () => attempt(keyOf(id), patch))
    },

    delete: async (id) => commands.delete(keyOf(id)),
  }
}

/** What the server adds to key and text, rounded up; measured with 1.6. */
const itemOverhead = 64

/** Five minutes after the session's own, in seconds. So large a number is a Unix time to Memcached, not a duration. */
function expiryOf(expiresAt: number): number {
  return Math.min(Math.ceil((expiresAt + 5 * 60_000) / 1000), 0x7fff_ffff)
}

function recordOf(text: string): SessionRecord {
  try {
    const { values, userId, createdAt, expiresAt } = JSON.parse(text) as SessionRecord
    return { values: byName(values), userId, createdAt, expiresAt }
  } catch (cause) {
    const what = 'memcachedStore: an item under this "prefix" is not a session: give each app a prefix of its own'
    throw new SojournError('store_misconfigured', what, { cause })
  }
}

function checked(options: MemcachedStoreOptions): { commands: Commands; prefix: string; maxItemBytes: number } {
  refuseUnknownOptions('memcachedStore', options, ['client', 'prefix', 'maxItemBytes'])
  const { client, prefix = 'sojourn:', maxItemBytes = 1_048_576 } = options ?? {}
  const commands = commandsOf(client)
  if (!commands) refuse('"client" must be a client of memjs (1.3 or newer) or of memcached')
  if (typeof prefix !== 'string' || !/^[!-~]{1,100}$/.test(prefix)) {
    refuse('"prefix" must be 1 to 100 visible ASCII characters')
  }
  if (!Number.isSafeInteger(maxItemBytes) || maxItemBytes < 1024) {
    refuse('"maxItemBytes" must be a whole number of bytes, 1024 or more')
  }
  return { commands, prefix, maxItemBytes }
}

function commandsOf(client: MemcachedStoreOptions['client'] | undefined): Commands | undefined {
  if (typeof client !== 'object' || client === null) return undefined
  if (isMemjs(client)) return overMemjs(client)
  return isNodeMemcached(client) ? overNodeMemcached(client) : undefined
}

function refuse(what: string): never {
  throw new SojournError('invalid_option', `memcachedStore: ${what}`)
}
