import { byField, byFieldName, fieldOf } from '../core/field-names.js'
import type { SessionPatch, SessionRecord, SessionStore } from '../core/store.js'
import { refuseIllFormed } from '../core/well-formed.js'
import {
  checked,
  explained,
  type MongodbCollection,
  type MongodbStoreOptions,
  type SessionDocument,
} from './mongodb/collection.js'

export type { MongodbCollection, MongodbStoreOptions, SessionDocument } from './mongodb/collection.js'

/** A store over MongoDB, which also makes its indexes. */
export interface MongodbStore extends SessionStore {
  /** Creates the indexes: without them expired sessions stay, and listing a user's reads all. Safe at every start. */
  migrate(): Promise<void>
}

/** Whatever the client was told to give, in documents and in counts alike. */
const asUsual = { promoteValues: true, raw: false } as const
/** A write is answered once a majority has it, so that no failover takes it back; a read sees no other. */
const durably = { ...asUsual, writeConcern: { w: 'majority' } } as const
const fromPrimary = { ...asUsual, readPreference: 'primary', readConcern: { level: 'majority' } } as const

/**
 * Keeps sessions in one collection of MongoDB (5 or newer), a document each, through the driver `mongodb` 6 or 7. Call
 * `migrate()` when the app starts.
 *
 * Every patch is one `updateOne`; one that is refused costs a read more where it has to tell why.
 *
 * @throws `invalid_option` for what is not a collection
 */
export function mongodbStore(options: MongodbStoreOptions): MongodbStore {
  const collection = checked(options)

  return {
    async read(id) {
      const document = await explained(collection.findOne({ _id: id }, fromPrimary))
      return document && recordOf(document as SessionDocument)
    },

    async create(id, record) {
      refuseIllFormed(record)
      try {
        await explained(collection.insertOne(documentOf(id, record), durably))
        return true
      } catch (error) {
        if ((error as { code?: unknown }).code === duplicateKey) return false
        throw error
      }
    },

    async patch(id, patch) {
      refuseIllFormed(patch)
      const living = { _id: id, expiresAt: { $gt: new Date(patch.now) } }
      if (await applies(collection, { ...living, ...asTheyRead(patch.when) }, updateOf(patch))) return 'applied'
      if (!patch.when) return 'absent'
      return (await applies(collection, living, {})) ? 'conflict' : 'absent'
    },

    async delete(id) {
      const { deletedCount } = await explained(collection.deleteOne({ _id: id }, durably))
      return deletedCount === 1
    },

    async list({ userId, after = '', limit }) {
      const filter = { _id: { $gt: after }, ...(userId !== undefined && { userId: { $eq: userId } }) }
      const page = collection.find(filter, { ...fromPrimary, sort: { _id: 1 }, limit })
      const documents = (await explained(page.toArray())) as SessionDocument[]
      return documents.map((document) => [document._id, recordOf(document)])
    },

    async migrate() {
      await explained(
        collection.createIndexes([
          { key: { expiresAt: 1 }, name: 'sojourn_expiry', expireAfterSeconds: 300 },
          { key: { userId: 1, _id: 1 }, name: 'sojourn_user' },
        ]),
      )
    },
  }
}

const duplicateKey = 11000

/** Whether there was a document for an update; one that changes nothing only looks. */
async function applies(collection: MongodbCollection, filter: object, update: object): Promise<boolean> {
  if (Object.keys(update).length > 0) {
    return (await explained(collection.updateOne(filter, update, durably))).matchedCount === 1
  }
  return (await explained(collection.findOne(filter, { ...fromPrimary, projection: { _id: 1 } }))) !== null
}

function asTheyRead(when: SessionPatch['when'] = {}): object {
  const conditions = Object.entries(when).map(([name, text]) => [
    `values.${fieldOf(name)}`,
    text === null ? { $exists: false } : { $eq: text },
  ])
  return Object.fromEntries(conditions)
}

function updateOf({ set = {}, unset = [], userId, expiresAt }: SessionPatch): object {
  const $set = Object.fromEntries([
    ...Object.entries(set).map(([name, text]) => [`values.${fieldOf(name)}`, text]),
    ...(userId !== undefined ? [['userId', userId]] : []),
    ...(expiresAt !== undefined ? [['expiresAt', new Date(expiresAt)]] : []),
  ])
  const $unset = Object.fromEntries(unset.map((name) => [`values.${fieldOf(name)}`, '']))
  return { ...(Object.keys($set).length > 0 && { $set }), ...(unset.length > 0 && { $unset }) }
}

function documentOf(id: string, { values, userId, createdAt, expiresAt }: SessionRecord): SessionDocument {
  return {
    _id: id,
    userId,
    createdAt: new Date(createdAt),
    expiresAt: new Date(expiresAt),
    values: byField(values),
  }
}

/** Of a document that somebody else wrote, anything may be missing. */
function recordOf({ values, userId, createdAt, expiresAt }: Partial<SessionDocument>): SessionRecord {
  return {
    values: byFieldName(values ?? {}),
    userId: userId ?? null,
    createdAt: Number(createdAt),
    expiresAt: Number(expiresAt),
  }
}
