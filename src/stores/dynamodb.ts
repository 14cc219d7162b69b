import { SojournError } from '../core/errors.js'
import { randomText } from '../core/random.js'
import { holds, type PatchOutcome, type SessionPatch, type SessionStore } from '../core/store.js'
import { refuseIllFormed } from '../core/well-formed.js'
import { checked, type DynamodbStoreOptions, isRefused, wasResent } from './dynamodb/client.js'
import { type Found, foundIn, itemOf, recordOf, sessionKey } from './dynamodb/items.js'
import { listPage } from './dynamodb/listing.js'
import { createTable } from './dynamodb/table.js'
import { updateOf } from './dynamodb/update.js'
import { userIndex } from './dynamodb/user-index.js'

export type { DynamodbClient, DynamodbStoreOptions } from './dynamodb/client.js'

/** A store over DynamoDB, which also makes its table. */
export interface DynamodbStore extends SessionStore {
  /**
   * Creates the table, paid by request, and its TTL. Safe to call at every start, and from several processes at once.
   * Rejects with `store_misconfigured` for a table that has another key, which stays as it is.
   */
  migrate(): Promise<void>
}

/** How often a patch is tried that was refused, while nothing that it asks for is the reason. */
const maxAttempts = 20

/**
 * Keeps sessions in one table of DynamoDB, through the AWS SDK 3, with an index by user in the same table. The table is
 * made by `migrate()`. Reads are consistent.
 *
 * A patch is one update. One that is refused costs a read more; one that names nothing to change is a read alone.
 *
 * Rejects with `record_too_large` beyond 400 KB a session, and for a change of more than 200 values at a time.
 *
 * @throws `invalid_option` for what is not a client
 */
export function dynamodbStore(options: DynamodbStoreOptions): DynamodbStore {
  const { client, table } = checked(options)
  const index = userIndex(client, table)

  async function find(id: string): Promise<Found | null> {
    const { Item } = await client.getItem({ TableName: table, Key: sessionKey(id), ConsistentRead: true })
    return Item ? foundIn(Item) : null
  }

  return {
    async read(id) {
      const found = await find(id)
      return found && recordOf(found)
    },

    async create(id, record) {
      refuseIllFormed(record)
      const { userId, expiresAt } = record
      const listing = userId === null ? undefined : await index.add(userId, id, expiresAt)
      const mark = newMark()
      return isMade(
        client.putItem({
          TableName: table,
          Item: itemOf(id, record, mark, listing?.until),
          ConditionExpression: 'attribute_not_exists(pk) OR mark = :mark',
          ExpressionAttributeValues: { ':mark': { S: mark } },
        }),
      )
    },

    async patch(id, patch) {
      refuseIllFormed(patch)
      const mark = newMark()
      // The index has to name a session before the session says whose it is.
      let found = isEmpty(patch) || typeof patch.userId === 'string' ? await find(id) : undefined
      for (let attempt = 1; attempt <= maxAttempts; attempt++) {
        const outcome = found !== undefined && outcomeOf(found, patch, mark)
        if (outcome) return outcome
        const listing = found ? await index.keepUp(id, found, patch) : undefined
        try {
          await client.updateItem(updateOf(table, id, patch, mark, listing))
          return 'applied'
        } catch (error) {
          if (!isRefused(error)) throw error
          found = await find(id)
          // It may be the first sending that was done, before somebody else wrote, and the second that was refused.
          if (wasResent(error) && found && found.mark !== mark) throw uncertain(error)
        }
      }
      throw new SojournError('contention', `dynamodbStore: a session was changed from elsewhere ${maxAttempts} times`)
    },

    async delete(id) {
      const output = await client.deleteItem({ TableName: table, Key: sessionKey(id), ReturnValues: 'ALL_OLD' })
      // Of one that was sent twice, it may be the first that removed the session.
      if (!output.Attributes) return wasResent(output)
      const { userId } = foundIn(output.Attributes)
      // The session is gone, whatever becomes of its name in the index; the TTL takes that too.
      if (userId !== null) await index.remove(userId, id).catch(() => undefined)
      return true
    },

    list: (page) => listPage(client, table, find, page),

    migrate: () => createTable(client, table),
  }
}

function newMark(): string {
  return randomText(9)
}

/** Whether a write was made; `false` where its condition did not hold. */
async function isMade(write: Promise<unknown>): Promise<boolean> {
  try {
    await write
    return true
  } catch (error) {
    if (isRefused(error)) return false
    throw error
  }
}

function uncertain(cause: unknown): SojournError {
  const what = 'a write was sent again while others wrote to the session, and may have been made'
  return new SojournError('store_unavailable', `dynamodbStore: ${what}`, { cause })
}

function isEmpty({ set = {}, unset = [], userId, expiresAt }: SessionPatch): boolean {
  return Object.keys(set).length === 0 && unset.length === 0 && userId === undefined && expiresAt === undefined
}

/** What a session as it was found makes of a patch; `undefined` where it can be tried. */
function outcomeOf(found: Found | null, patch: SessionPatch, mark: string): PatchOutcome | undefined {
  if (!found) return 'absent'
  // A try whose answer was lost.
  if (found.mark === mark) return 'applied'
  if (found.expiresAt <= patch.now) return 'absent'
  if (!holds(found.values, patch.when)) return 'conflict'
  return isEmpty(patch) ? 'applied' : undefined
}
