import { createHash } from 'node:crypto'
import type { Reply } from './client.js'
import { addEntry, readEntries, readOwner, removeEntries, type Script } from './scripts.js'

/** One line of the index: at that time, by the server's clock, this user was given this session. Never changes. */
export interface Entry {
  readonly userId: string
  readonly id: string
  readonly since: string
}

/** Runs a script on one key. */
export type Run = (script: Script, key: string, ...args: string[]) => Promise<Reply>

/** A record is written within 30 seconds of its entry, or never: an entry this old that it does not name never will be. */
const settled = 60_000

export type UserIndex = ReturnType<typeof userIndex>

/**
 * Which sessions a user has. A user and a session are on different nodes of a cluster, so an entry is written before the
 * record, which then names it. An entry that its record does not name is void.
 *
 * Entries lie in 256 sorted sets, in order of user and id. These do not expire, so a server that evicts only what does
 * leaves them alone. With each entry that is added, four old ones are checked at random, so that the void ones, of
 * sessions that expired, stay a minority.
 */
export function userIndex(run: Run, sessionKey: (id: string) => string, prefix: string) {
  const keyOf = (userId: string) => `${prefix}users:${createHash('sha256').update(userId).digest('hex').slice(0, 2)}`

  /** Removes void entries of one set. What cannot be removed now is found again later. */
  async function remove(entries: readonly Entry[]): Promise<void> {
    const [first] = entries
    if (first) await run(removeEntries, keyOf(first.userId), ...entries.map(textOf)).catch(() => {})
  }

  async function isVoid({ userId, id, since }: Entry): Promise<boolean> {
    const [owner, named] = (await run(readOwner, sessionKey(id))) as [string | null, string | null]
    return owner !== userId || named !== since
  }

  return {
    remove,

    /** Adds an entry; also resolves to a few others of the same set, to be tidied. */
    async add(userId: string, id: string): Promise<{ entry: Entry; others: Entry[] }> {
      const [since, ...others] = (await run(addEntry, keyOf(userId), `${userId}\0${id}\0`, `${settled}`)) as string[]
      return { entry: { userId, id, since: since as string }, others: others.map(entryOf) }
    },

    /** Removes those of some entries of one set that are void. Not for one whose record is being written. */
    async tidy(entries: readonly Entry[]): Promise<void> {
      const areVoid = await Promise.all(entries.map(isVoid)).catch(() => [])
      await remove(entries.filter((_, index) => areVoid[index]))
    },

    /** Entries of a user, of ids after the given one and in their order; and which of them are old. */
    async page(
      userId: string,
      after: string,
      limit: number,
    ): Promise<{ entries: Entry[]; isOld(entry: Entry): boolean }> {
      const from = after === '' ? `[${userId}\0` : `(${userId}\0${after}\x01`
      const [time, texts] = (await run(readEntries, keyOf(userId), from, `(${userId}\x01`, `${limit}`)) as [
        string,
        string[],
      ]
      return { entries: texts.map(entryOf), isOld: ({ since }) => Number(since) < Number(time) - settled }
    },
  }
}

function textOf({ userId, id, since }: Entry): string {
  return `${userId}\0${id}\0${since}`
}

function entryOf(text: string): Entry {
  const beforeSince = text.lastIndexOf('\0')
  const beforeId = text.lastIndexOf('\0', beforeSince - 1)
  return {
    userId: text.slice(0, beforeId),
    id: text.slice(beforeId + 1, beforeSince),
    since: text.slice(beforeSince + 1),
  }
}
