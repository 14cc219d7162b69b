import type { SessionPatch } from '../../core/store.js'
import { type DynamodbClient, isRefused } from './client.js'
import { type Found, reclaimAt, text, userPartition } from './items.js'
import type { Listing } from './update.js'

/** How much longer the index names a session than it is to live, so that few of its moves have to be told to it. */
const ahead = 30 * 24 * 60 * 60 * 1000

/**
 * Names the sessions of each user, in items of the same table, since an index that DynamoDB keeps lags behind. An entry
 * is written before the session says whose it is, and outlives it; what it names may be gone, or another user's.
 */
export function userIndex(client: DynamodbClient, table: string) {
  const keyOf = (userId: string, id: string) => ({ pk: userPartition(userId), sk: text(id) })

  /** Names a session that lives until `expiresAt` at least. */
  async function add(owner: string, id: string, expiresAt: number): Promise<Listing> {
    const until = expiresAt + ahead
    const entry = client.updateItem({
      TableName: table,
      Key: keyOf(owner, id),
      UpdateExpression: 'SET reclaimAt = :until',
      // Somebody else may need it for longer.
      ConditionExpression: 'attribute_not_exists(reclaimAt) OR reclaimAt < :until',
      ExpressionAttributeValues: { ':until': reclaimAt(until) },
    })
    await entry.catch((error) => {
      if (!isRefused(error)) throw error
    })
    return { owner, until }
  }

  return {
    add,

    /** Names a session as it will be after a patch, where the index does not do so for long enough. */
    async keepUp(id: string, found: Found, { userId, expiresAt = 0 }: SessionPatch): Promise<Listing | undefined> {
      const owner = userId === undefined ? found.userId : userId
      const latest = Math.max(found.expiresAt, expiresAt)
      if (owner === null || (userId === undefined && found.listedUntil > latest)) return undefined
      return add(owner, id, latest)
    },

    /** For a session that is gone. */
    async remove(userId: string, id: string): Promise<void> {
      await client.deleteItem({ TableName: table, Key: keyOf(userId, id) })
    },
  }
}
