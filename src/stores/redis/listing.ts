import type { ListPage, SessionRecord } from '../../core/store.js'
import type { HeldRecord } from './hash.js'
import type { Entry, UserIndex } from './user-index.js'

type Found = [id: string, record: SessionRecord]

/** Some of a listing, and after which id to go on: `null` at the end. */
interface Batch {
  readonly found: Found[]
  readonly last: string | null
}

/** What a listing needs to know of a store. */
export interface Listed {
  readonly users: UserIndex
  read(id: string): Promise<HeldRecord | undefined>
  /** The lowest ids above one, of all sessions. */
  lowestIds(after: string, limit: number): Promise<string[]>
}

/** A page of sessions. What led to it may be gone by the time it is read, so this takes as many steps as fill the page. */
export async function listPage(listed: Listed, { userId, after = '', limit }: ListPage): Promise<Found[]> {
  const page: Found[] = []
  for (let last: string | null = after; last !== null && page.length < limit; ) {
    const batch: Batch =
      userId === undefined ? await someOfAll(listed, last, limit) : await someOf(userId, listed, last, limit)
    page.push(...batch.found)
    last = batch.last
  }
  return page.slice(0, limit)
}

async function someOfAll({ read, lowestIds }: Listed, after: string, limit: number): Promise<Batch> {
  const ids = await lowestIds(after, limit)
  const held = await Promise.all(ids.map(read))
  return { found: ids.flatMap((id, index) => foundAt(id, held[index])), last: lastOf(ids, ids.length < limit) }
}

/** Also removes the entries of the user that have been void for a while. */
async function someOf(userId: string, { users, read }: Listed, after: string, limit: number): Promise<Batch> {
  const { entries, isOld } = await users.page(userId, after, limit)
  const ids = [...new Set(entries.map(({ id }) => id))]
  const held = new Map(await Promise.all(ids.map(async (id) => [id, await read(id)] as const)))
  const isNamed = ({ userId, id, since }: Entry) => {
    const { record, since: named } = held.get(id) ?? {}
    return record?.userId === userId && named === since
  }
  await users.remove(entries.filter((entry) => isOld(entry) && !isNamed(entry)))
  const found = ids.flatMap((id) => foundAt(id, held.get(id))).filter(([, record]) => record.userId === userId)
  return { found, last: lastOf(ids, entries.length < limit) }
}

function foundAt(id: string, held: HeldRecord | undefined): Found[] {
  return held ? [[id, held.record]] : []
}

function lastOf(ids: readonly string[], isEnd: boolean): string | null {
  return isEnd ? null : (ids.at(-1) ?? null)
}
