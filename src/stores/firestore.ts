import { compareAndSet } from '../core/compare-and-set.js'
import { SojournError } from '../core/errors.js'
import { byKey, valuesOf } from '../core/json-keys.js'
import { randomText } from '../core/random.js'
import {
  holds,
  type PatchOutcome,
  patched,
  type SessionPatch,
  type SessionRecord,
  type SessionStore,
} from '../core/store.js'
import { refuseIllFormed } from '../core/well-formed.js'
import { checked, type FirestoreStoreOptions, isDisturbed, isMissing, isTaken } from './firestore/collection.js'

export type { FirestoreCollection, FirestoreStoreOptions } from './firestore/collection.js'

/** A session as it lies in the collection. */
interface SessionDocument {
  userId: string | null
  /** Milliseconds since the epoch. */
  createdAt: number | bigint
  expiresAt: number | bigint
  /** For the collection's TTL policy: five minutes after `expiresAt`. */
  reclaimAt: Date
  /** A JSON object of JSON texts. In one field, as Firestore would index each value by itself. */
  values: string
  /** Of the writes that were last, the newest first, so that one whose answer was lost is known again. */
  marks?: string[]
}

/** So many writes are known again, also where others come between before the client sends one anew. */
const mostMarks = 8

/**
 * Keeps sessions in one collection of Firestore (native mode), a document each, through `@google-cloud/firestore` 7 or
 * newer, or `firebase-admin`.
 *
 * A patch reads the document and writes what changed while nobody else has; where somebody has, it starts over. One
 * session bears about one change a second for long. A patch that changes nothing writes nothing.
 *
 * Rejects with `record_too_large` beyond 1 MiB a session, and with `contention` where one session is changed without a
 * pause.
 *
 * @throws `invalid_option` for what is not a collection
 */
export function firestoreStore(options: FirestoreStoreOptions): SessionStore {
  const collection = checked(options)
  const referenceTo = (id: string) => collection.doc(documentId(id))
  const untilAlone = compareAndSet('firestoreStore')

  async function find(id: string) {
    const snapshot = await referenceTo(id).get()
    const document = snapshot.data() as SessionDocument | undefined
    return document && { document, record: recordOf(document), lastUpdateTime: snapshot.updateTime }
  }

  /** `undefined` when somebody else came between. */
  async function attempt(id: string, patch: SessionPatch, mark: string): Promise<PatchOutcome | undefined> {
    const found = await find(id)
    if (!found) return 'absent'
    const { document, record, lastUpdateTime } = found
    // Of a document that an older version wrote, or somebody else, they are missing.
    const { marks = [] } = document
    if (marks.includes(mark)) return 'applied'
    if (record.expiresAt <= patch.now) return 'absent'
    if (!holds(record.values, patch.when)) return 'conflict'
    const changes = changesOf(document, patched(record, patch))
    if (Object.keys(changes).length === 0) return 'applied'
    try {
      await referenceTo(id).update({ ...changes, marks: [mark, ...marks].slice(0, mostMarks) }, { lastUpdateTime })
      return 'applied'
    } catch (error) {
      if (isDisturbed(error)) return undefined
      throw error
    }
  }

  return {
    async read(id) {
      return (await find(id))?.record ?? null
    },

    async create(id, record) {
      refuseIllFormed(record)
      const mark = newMark()
      try {
        await referenceTo(id).create({ ...documentOf(record), marks: [mark] })
        return true
      } catch (error) {
        if (!isTaken(error)) throw error
        return (await find(id))?.document.marks?.includes(mark) ?? false
      }
    },

    async patch(id, patch) {
      refuseIllFormed(patch)
      const mark = newMark()
      return untilAlone(id, () => attempt(id, patch, mark))
    },

    async delete(id) {
      try {
        await referenceTo(id).delete({ exists: true })
        return true
      } catch (error) {
        if (isMissing(error)) return false
        throw error
      }
    },

    async list({ userId, after, limit }) {
      const sessions = userId === undefined ? collection : collection.where('userId', '==', userId)
      const inOrder = sessions.orderBy('__name__')
      const rest = after === undefined ? inOrder : inOrder.startAfter(documentId(after))
      const { docs } = await rest.limit(limit).get()
      return docs.map((document) => [sessionId(document.id), recordOf(document.data() as SessionDocument)])
    },
  }
}

/** Firestore keeps ids of the form `__…__` to itself. All begin alike, so that they stay in order. */
function documentId(id: string): string {
  return `s-${id}`
}

function sessionId(documentId: string): string {
  return documentId.slice(2)
}

function newMark(): string {
  return randomText(9)
}

/** Of a document that somebody else wrote, anything may be missing. A client can be told to give bigints. */
function recordOf({ values, userId, createdAt, expiresAt }: SessionDocument): SessionRecord {
  return {
    values: valuesOf(String(values)),
    userId: userId ?? null,
    createdAt: Number(createdAt),
    expiresAt: Number(expiresAt),
  }
}

/** 1 MiB a document, less what the other fields and the name may take. */
const mostBytes = 1_048_576 - 2_048

/** Firestore has no later time, and many an app writes this very second for a cookie that is never to expire. */
const lastTime = Date.parse('9999-12-31T23:59:59Z')

function documentOf({ values, userId, createdAt, expiresAt }: SessionRecord): Omit<SessionDocument, 'marks'> {
  const text = JSON.stringify(byKey(values))
  if (Buffer.byteLength(text) > mostBytes) {
    throw new SojournError(
      'record_too_large',
      `firestoreStore: a session of ${Buffer.byteLength(text)} bytes is beyond the limit of Firestore, 1 MiB a document: keep less in it`,
    )
  }
  const reclaimAt = new Date(Math.min(expiresAt + 5 * 60_000, lastTime))
  return { userId, createdAt, expiresAt, reclaimAt, values: text }
}

/** The fields that are to be written. */
function changesOf(before: SessionDocument, record: SessionRecord): Partial<SessionDocument> {
  const { values, userId, expiresAt, reclaimAt } = documentOf(record)
  return {
    ...(values !== before.values && { values }),
    ...(userId !== before.userId && { userId }),
    ...(expiresAt !== Number(before.expiresAt) && { expiresAt, reclaimAt }),
  }
}
