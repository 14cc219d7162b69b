/** The commands that the double of MongoDB understands. Each is one step. */
import { calculateObjectSize, type Document } from 'bson'
import mingo from 'mingo'

/** An error as the server words it, with its code. */
class CommandError extends Error {
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

interface Collection {
  documents: Document[]
  indexes: Document[]
}

const largestDocument = 16 * 1024 * 1024

/** A database server in memory: a function from a command to its reply. */
export function mongodbInMemory(address: string): (command: Document) => Document {
  const collections = new Map<string, Collection>()
  const retried = new Map<string, Document>()

  function collectionOf(command: Document, name: unknown): Collection {
    const key = `${command.$db}.${name}`
    const found = collections.get(key)
    if (found) return found
    const collection = { documents: [], indexes: [{ v: 2, key: { _id: 1 }, name: '_id_' }] }
    collections.set(key, collection)
    return collection
  }

  const commands: { [name: string]: (command: Document) => Document } = {
    hello: () => greeting(address),
    ismaster: () => greeting(address),
    ping: () => ({}),
    buildInfo: () => ({ version: '8.0.0', versionArray: [8, 0, 0, 0] }),
    endSessions: () => ({}),
    insert: (command) => each(command.documents, (document) => insert(collectionOf(command, command.insert), document)),
    update: (command) =>
      each(command.updates, (update) => updateOne(collectionOf(command, command.update), update), 'nModified'),
    delete: (command) =>
      each(command.deletes, (deletion) => deleteOne(collectionOf(command, command.delete), deletion)),
    find(command) {
      const { documents } = collectionOf(command, command.find)
      const found = mingo.find(documents, command.filter ?? {}, command.projection ?? {})
      if (command.sort) found.sort(command.sort)
      if (command.limit) found.limit(command.limit)
      return { cursor: { id: 0n, ns: `${command.$db}.${command.find}`, firstBatch: found.all() } }
    },
    createIndexes: (command) => createIndexes(collectionOf(command, command.createIndexes), command.indexes),
    listIndexes(command) {
      const { indexes } = collectionOf(command, command.listIndexes)
      return { cursor: { id: 0n, ns: `${command.$db}.${command.listIndexes}`, firstBatch: indexes } }
    },
    drop(command) {
      collections.delete(`${command.$db}.${command.drop}`)
      return {}
    },
  }

  return function run(command) {
    const [name = ''] = Object.keys(command)
    const isRetryable = command.lsid && command.txnNumber !== undefined
    const statement = isRetryable ? `${command.lsid.id.toString('hex')} ${command.txnNumber}` : ''
    const known = retried.get(statement)
    if (known) return known
    try {
      const does = commands[name] ?? commands[name.toLowerCase()]
      if (!does) throw new CommandError(59, `no such command: '${name}'`)
      const reply = { ...does(command), ok: 1 }
      if (isRetryable) retried.set(statement, reply)
      return reply
    } catch (error) {
      const code = error instanceof CommandError ? error.code : 2
      return { ok: 0, errmsg: error instanceof Error ? error.message : String(error), code }
    }
  }
}

/** Of a replica set of one, so that drivers retry writes. */
function greeting(address: string): Document {
  return {
    helloOk: true,
    isWritablePrimary: true,
    ismaster: true,
    setName: 'double',
    setVersion: 1,
    hosts: [address],
    me: address,
    primary: address,
    secondary: false,
    maxBsonObjectSize: largestDocument,
    maxMessageSizeBytes: 48_000_000,
    maxWriteBatchSize: 100_000,
    localTime: new Date(),
    logicalSessionTimeoutMinutes: 30,
    minWireVersion: 0,
    maxWireVersion: 25,
    readOnly: false,
    ok: 1,
  }
}

/** Does a write for each document, and gathers what went wrong with which. */
function each(documents: Document[], write: (document: Document) => number, extra?: string): Document {
  const writeErrors: Document[] = []
  let n = 0
  for (const [index, document] of documents.entries()) {
    try {
      n += write(document)
    } catch (error) {
      if (!(error instanceof CommandError)) throw error
      writeErrors.push({ index, code: error.code, errmsg: error.message })
    }
  }
  return { n, ...(extra && { [extra]: n }), ...(writeErrors.length > 0 && { writeErrors }) }
}

function insert({ documents }: Collection, document: Document): number {
  refuseTooLarge(document)
  if (documents.some(({ _id }) => _id === document._id)) {
    throw new CommandError(11000, `E11000 duplicate key error dup key: { _id: ${JSON.stringify(document._id)} }`)
  }
  documents.push(document)
  return 1
}

function updateOne({ documents }: Collection, { q, u, upsert, multi }: Document): number {
  if (upsert || multi) throw new CommandError(2, 'The double of MongoDB updates one document that is there')
  const paths = Object.values(u as Record<string, Document>).flatMap((fields) => Object.keys(fields))
  for (const path of paths) {
    const parts = path.split('.')
    if (parts.some((part) => part === '')) throw new CommandError(56, `The path '${path}' has an empty field name`)
    if (parts.some((part) => part.startsWith('$'))) {
      throw new CommandError(52, `The dollar ($) prefixed field in '${path}' is not allowed`)
    }
    if (paths.some((other) => other !== path && other.startsWith(`${path}.`)) || count(paths, path) > 1) {
      throw new CommandError(40, `Updating the path '${path}' would create a conflict at '${path}'`)
    }
  }
  const index = documents.findIndex((document) => new mingo.Query(q).test(document))
  const before = documents[index]
  if (!before) return 0
  const after = [structuredClone(before)]
  mingo.updateOne(after, {}, u)
  refuseTooLarge(after[0] as Document)
  documents[index] = after[0] as Document
  return 1
}

function deleteOne({ documents }: Collection, { q }: Document): number {
  const index = documents.findIndex((document) => new mingo.Query(q).test(document))
  if (index < 0) return 0
  documents.splice(index, 1)
  return 1
}

function createIndexes({ indexes }: Collection, wanted: Document[]): Document {
  for (const index of wanted) {
    const same = indexes.find(({ key }) => JSON.stringify(key) === JSON.stringify(index.key))
    if (!same) indexes.push({ v: 2, ...index })
    else if (same.expireAfterSeconds !== index.expireAfterSeconds || same.name !== index.name) {
      throw new CommandError(85, `An equivalent index already exists with a different name and options: ${same.name}`)
    }
  }
  return { numIndexesAfter: indexes.length }
}

function refuseTooLarge(document: Document): void {
  const size = calculateObjectSize(document)
  if (size > largestDocument) {
    throw new CommandError(10334, `BSONObj size: ${size} is invalid. Size must be between 0 and ${largestDocument}`)
  }
}

function count(values: string[], value: string): number {
  return values.filter((other) => other === value).length
}
