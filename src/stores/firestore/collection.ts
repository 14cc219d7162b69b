import { SojournError } from '../../core/errors.js'
import { refuseUnknownOptions } from '../../core/option-checks.js'

/** What Sojourn calls of a `CollectionReference` of `@google-cloud/firestore`, also as `firebase-admin` gives it. */
export interface FirestoreCollection extends FirestoreQuery {
  doc(id: string): FirestoreReference
}

interface FirestoreReference {
  get(): Promise<FirestoreSnapshot>
  create(data: object): Promise<unknown>
  update(data: object, precondition: object): Promise<unknown>
  delete(precondition: object): Promise<unknown>
}

interface FirestoreQuery {
  where(field: string, operator: '==', value: string): FirestoreQuery
  orderBy(field: string): FirestoreQuery
  startAfter(value: string): FirestoreQuery
  limit(limit: number): FirestoreQuery
  get(): Promise<{ docs: FirestoreSnapshot[] }>
}

interface FirestoreSnapshot {
  readonly id: string
  readonly updateTime?: object | undefined
  data(): object | undefined
}

/** What `firestoreStore` takes. `collection` is needed. */
export interface FirestoreStoreOptions {
  /** A collection for sessions alone, of a client that the app made: `new Firestore().collection('sessions')`. */
  collection: FirestoreCollection
}

export function checked(options: FirestoreStoreOptions): FirestoreCollection {
  refuseUnknownOptions('firestoreStore', options, ['collection'])
  const { collection } = options ?? {}
  const methods = ['doc', 'where', 'orderBy', 'limit'] as const
  if (!collection || methods.some((method) => typeof collection[method] !== 'function')) {
    refuse('"collection" must be a collection of @google-cloud/firestore: firestore.collection(\'sessions\')')
  }
  return collection
}

function refuse(what: string): never {
  throw new SojournError('invalid_option', `firestoreStore: ${what}`)
}

// https://grpc.github.io/grpc/core/md_doc_statuscodes.html
const code = { notFound: 5, alreadyExists: 6, failedPrecondition: 9, aborted: 10 }

export function isTaken(error: unknown): boolean {
  return codeOf(error) === code.alreadyExists
}

export function isMissing(error: unknown): boolean {
  return codeOf(error) === code.notFound
}

/** Whether a write was refused because of another one. */
export function isDisturbed(error: unknown): boolean {
  const { notFound, failedPrecondition, aborted } = code
  return [notFound, failedPrecondition, aborted].includes(Number(codeOf(error)))
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code
}
