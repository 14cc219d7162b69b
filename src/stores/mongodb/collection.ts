import { SojournError, type SojournErrorCode } from '../../core/errors.js'
import { refuseUnknownOptions } from '../../core/option-checks.js'

/** A session as it lies in the collection. */
export interface SessionDocument {
  _id: string
  userId: string | null
  createdAt: Date
  /** The index on it removes the document five minutes later. */
  expiresAt: Date
  /** JSON text by name, percent-encoded but for letters, digits, `_` and `-`. */
  values: Record<string, string>
}

/** What Sojourn calls of a `Collection` of the driver `mongodb`. */
export interface MongodbCollection {
  findOne(filter: object, options: object): Promise<object | null>
  insertOne(document: object, options: object): Promise<unknown>
  updateOne(filter: object, update: object, options: object): Promise<{ matchedCount: number }>
  deleteOne(filter: object, options: object): Promise<{ deletedCount: number }>
  find(filter: object, options: object): { toArray(): Promise<object[]> }
  createIndexes(indexes: { key: { [field: string]: 1 }; name: string; expireAfterSeconds?: number }[]): Promise<unknown>
}

/** What `mongodbStore` takes. `collection` is needed. */
export interface MongodbStoreOptions {
  /**
   * A collection of a client that the app made and closes: `client.db().collection('sessions')`. It is for sessions
   * alone, and has no collation of its own.
   */
  collection: MongodbCollection
}

export function checked(options: MongodbStoreOptions): MongodbCollection {
  refuseUnknownOptions('mongodbStore', options, ['collection'])
  const { collection } = options ?? {}
  const methods = ['findOne', 'insertOne', 'updateOne', 'deleteOne', 'find', 'createIndexes'] as const
  if (!collection || methods.some((method) => typeof collection[method] !== 'function')) {
    refuse('"collection" must be a collection of the driver mongodb: client.db().collection(\'sessions\')')
  }
  return collection
}

function refuse(what: string): never {
  throw new SojournError('invalid_option', `mongodbStore: ${what}`)
}

/** By the codes of https://www.mongodb.com/docs/manual/reference/error-codes, and of the driver's own buffer. */
const explanations: { codes: readonly unknown[]; code: SojournErrorCode; text: string }[] = [
  {
    codes: [10334, 17419, 17420, 'ERR_OUT_OF_RANGE'],
    code: 'record_too_large',
    text: 'a session is beyond the limit of MongoDB, 16 MB a document: keep less in it',
  },
  {
    codes: [85, 86],
    code: 'store_misconfigured',
    text: 'the collection has other indexes on the same fields: drop them, or choose another collection',
  },
  {
    codes: [13, 18],
    code: 'store_misconfigured',
    text: 'this user may not do that: it needs the role readWrite on the database, and on that only',
  },
]

/** An error for which the app has to change something, in words that say what; any other as it is. */
export async function explained<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (cause) {
    const { code } = (cause ?? {}) as { code?: unknown }
    const found = explanations.find(({ codes }) => codes.includes(code))
    throw found ? new SojournError(found.code, `mongodbStore: ${found.text}`, { cause }) : cause
  }
}
