import type { ListPage, SessionRecord } from '../../core/store.js'
import type { Attribute, DynamodbClient } from './client.js'
import { type Found, foundIn, idOf, recordOf, sessionPartitions, text, userPartition } from './items.js'

type Entry = [id: string, record: SessionRecord]

/** Sessions in ascending order of id: of a user by the index, or all, partition by partition. */
export async function listPage(
  client: DynamodbClient,
  table: string,
  find: (id: string) => Promise<Found | null>,
  { userId, after = '', limit }: ListPage,
): Promise<Entry[]> {
  const page: Entry[] = []
  if (userId === undefined) {
    const partitions = sessionPartitions(after)
    // Twice as many at a time with each step: a full table is read no further than it has to be, an empty one fast.
    for (let first = 0, width = 1; first < partitions.length && page.length < limit; first += width, width *= 2) {
      const asked = partitions.slice(first, first + width)
      const wanted = limit - page.length
      const items = await Promise.all(asked.map((partition) => itemsOf(client, table, partition, after, wanted)))
      page.push(...items.flat().map((item): Entry => [idOf(item), recordOf(foundIn(item))]))
    }
    return page.slice(0, limit)
  }
  for (let last = after; ; ) {
    const wanted = limit - page.length
    const ids: string[] = (await itemsOf(client, table, userPartition(userId), last, wanted)).map(idOf)
    const sessions = await Promise.all(ids.map(async (id) => [id, await find(id)] as const))
    // The index may name what is gone, or what became another's.
    for (const [id, found] of sessions) if (found?.userId === userId) page.push([id, recordOf(found)])
    if (page.length === limit || ids.length < wanted) return page
    last = ids.at(-1) ?? last
  }
}

/** The items of a partition that follow an id; fewer than `limit` if there are no more. */
async function itemsOf(
  client: DynamodbClient,
  table: string,
  partition: Attribute,
  after: string,
  limit: number,
): Promise<object[]> {
  const items: object[] = []
  let start: object | undefined
  do {
    const { Items = [], LastEvaluatedKey } = await client.query({
      TableName: table,
      ConsistentRead: true,
      // An empty text is no key.
      KeyConditionExpression: after ? 'pk = :pk AND sk > :after' : 'pk = :pk',
      ExpressionAttributeValues: { ':pk': partition, ...(after && { ':after': text(after) }) },
      Limit: limit - items.length,
      ...(start && { ExclusiveStartKey: start }),
    })
    items.push(...Items)
    start = LastEvaluatedKey
  } while (start && items.length < limit)
  return items
}
