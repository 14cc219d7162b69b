import { callingTogether, readingTogether } from '../core/calling-together.js'
import { SojournError } from '../core/errors.js'
import { refuseUnknownOptions } from '../core/option-checks.js'
import type { PatchOutcome, SessionPatch, SessionRecord, SessionStore } from '../core/store.js'
import { refuseIllFormed } from '../core/well-formed.js'
import {
  canDuplicate,
  countLosses,
  isClient,
  isOfSeveralNodes,
  type RedisClient,
  type Reply,
  runScript,
} from './redis/client.js'
import { lowestIds } from './redis/every-id.js'
import { createArguments, type HeldRecord, heldOf, patchText } from './redis/hash.js'
import { listen } from './redis/listen.js'
import { listPage } from './redis/listing.js'
import { createSession, deleteSession, patchSessions, readSessions } from './redis/scripts.js'
import { type Run, userIndex } from './redis/user-index.js'

export type { IoRedisClient, NodeRedisClient, RedisClient } from './redis/client.js'

/** What `redisStore` takes. `client` is needed. */
export interface RedisStoreOptions {
  /**
   * A client of `redis` 5 or 6, `ioredis` or `iovalkey`, for a single server, Sentinel or Cluster. It stays the app's: to
   * connect, to listen for its errors, to close.
   */
  client: RedisClient
  /** What every key begins with. `'sojourn:'` unless said. Apps that share a server need one each. */
  prefix?: string
}

/**
 * Keeps sessions in Redis or Valkey, one hash each, for any number of processes. Every call is one script on one key and
 * one round trip; only a change of user adds a second, for the index by user. The reads of one turn of the event loop share
 * a script, and so do its changes, unless a cluster keeps them apart.
 *
 * An asynchronous failover, of Sentinel or Cluster, may undo what was answered a moment before, so that an ended session
 * comes back. Where that must not be, use a database.
 *
 * @throws `invalid_option` for a client that is none of these
 */
export function redisStore(options: RedisStoreOptions): SessionStore {
  const { client, prefix = 'sojourn:' } = checked(options)
  const run: Run = (script, key, ...args) => runScript(client, script, [key], args)
  const keyOf = (id: string) => `${prefix}session:${id}`
  const channel = `${prefix}ended`
  const users = userIndex(run, keyOf, prefix)
  const losses = countLosses(client)
  const watchers = new Set<() => void>()
  let closings = 0

  const textOf = readingTogether(
    async (ids) => {
      const texts = (await runScript(client, readSessions, ids.map(keyOf), [])) as string[]
      return new Map(ids.map((id, index) => [id, texts[index]]))
    },
    { areApart: isOfSeveralNodes },
  )
  const read = (id: string) => textOf(id).then(heldIn)
  const replyTo = callingTogether(
    async (patches: readonly (readonly [id: string, text: string])[]) => {
      const keys = patches.map(([id]) => keyOf(id))
      const texts = patches.map(([, text]) => text)
      return (await runScript(client, patchSessions, keys, texts)) as Reply[]
    },
    { areApart: isOfSeveralNodes },
  )

  /** Writes the entry of the index before the record that names it, and takes it back where the record was not written. */
  async function indexed<T>(userId: string | null | undefined, id: string, write: Write<T>): Promise<T> {
    const lossesBefore = losses.count
    const added = typeof userId === 'string' ? await users.add(userId, id) : undefined
    const [{ outcome, done }] = await Promise.all([write(added?.entry.since ?? ''), added && users.tidy(added.others)])
    if (done) return outcome
    if (losses.count !== lossesBefore) throw uncertain()
    if (added) await users.tidy([added.entry])
    return outcome
  }

  /** A patch that leaves the user alone, and so the index. */
  function patchValues(id: string, patch: SessionPatch): Promise<PatchOutcome> {
    const lossesBefore = losses.count
    return replyTo([id, patchText(patch)]).then((reply) => {
      if (reply !== 'applied' && losses.count !== lossesBefore) throw uncertain()
      return reply as PatchOutcome
    })
  }

  return {
    read: (id) => textOf(id).then(recordIn),

    create(id, record) {
      refuseIllFormed(record)
      return indexed(record.userId, id, async (since) => {
        const created = (await run(createSession, keyOf(id), ...createArguments(record, since))) === '1'
        return { outcome: created, done: created }
      })
    },

    patch(id, patch) {
      refuseIllFormed(patch)
      if (patch.userId === undefined) return patchValues(id, patch)
      return indexed(patch.userId, id, async (since) => {
        const reply = await replyTo([id, patchText(patch, since)])
        if (!Array.isArray(reply)) return { outcome: reply as PatchOutcome, done: false }
        const [owner, before] = reply as (string | null)[]
        // The same entry again: a client sent the write twice.
        const isReplaced = !(owner === patch.userId && before === since)
        if (isReplaced && owner && before) await users.remove([{ userId: owner, id, since: before }])
        return { outcome: 'applied' as const, done: true }
      })
    },

    async delete(id) {
      const lossesBefore = losses.count
      const before = (await run(deleteSession, keyOf(id), channel, id)) as (string | null)[]
      if (before.length === 0 && losses.count !== lossesBefore) throw uncertain()
      const [owner, since] = before
      if (owner && since) await users.remove([{ userId: owner, id, since }])
      return before.length > 0
    },

    list(page) {
      const lowest = (after: string, limit: number) => lowestIds(client, keyOf(''), after, limit)
      return listPage({ users, read, lowestIds: lowest }, page)
    },

    ...(canDuplicate(client) && {
      async watch(ended: (id: string | null) => void) {
        const closingsBefore = closings
        const stop = await listen({ client, run, channel, heard: ended, missed: () => ended(null) })
        if (closings === closingsBefore) watchers.add(stop)
        else stop()
        return () => {
          watchers.delete(stop)
          stop()
        }
      },
    }),

    close() {
      closings++
      for (const stop of watchers) stop()
      watchers.clear()
    },
  }
}

function heldIn(text: string | undefined): HeldRecord | undefined {
  return text ? heldOf(JSON.parse(text)) : undefined
}

function recordIn(text: string | undefined): SessionRecord | null {
  return heldIn(text)?.record ?? null
}

/** Writes a record that names its entry of the index, if it has one. `done`: it was not refused. */
type Write<T> = (since: string) => Promise<{ outcome: T; done: boolean }>

/** A client that lost its connection may have sent a write twice; then this was the second answer. */
function uncertain(): SojournError {
  return new SojournError(
    'store_unavailable',
    'redisStore: the connection was lost during a write, which may have been made',
  )
}

function checked(options: RedisStoreOptions): RedisStoreOptions {
  refuseUnknownOptions('redisStore', options, ['client', 'prefix'])
  if (!isClient(options?.client)) {
    throw new SojournError(
      'invalid_option',
      'redisStore: "client" must be a client of redis (5 or newer), ioredis or iovalkey: redisStore({ client: createClient({ url }) })',
    )
  }
  if (options.prefix !== undefined && (typeof options.prefix !== 'string' || !options.prefix.isWellFormed())) {
    throw new SojournError('invalid_option', 'redisStore: "prefix" must be text, such as \'my-app:\'')
  }
  return options
}
