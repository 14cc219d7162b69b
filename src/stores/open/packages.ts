/**
 * Loads the packages of clients, each when a URL asks for it. A bundler takes it for an error of the app where one is not there,
 * unless the `import()` itself stands in a `try`.
 *
 * @module
 */
import { SojournError } from '../../core/errors.js'

export async function libsql() {
  try {
    return await import('libsql')
  } catch (cause) {
    return refuse('libsql', cause)
  }
}

export async function redis() {
  try {
    return await import('redis')
  } catch (cause) {
    return refuse('redis', cause)
  }
}

export async function iovalkey() {
  try {
    return await import('iovalkey')
  } catch (cause) {
    return refuse('iovalkey', cause)
  }
}

export async function pg() {
  try {
    return await import('pg')
  } catch (cause) {
    return refuse('pg', cause)
  }
}

export async function mysql2() {
  try {
    return await import('mysql2/promise')
  } catch (cause) {
    return refuse('mysql2', cause)
  }
}

export async function memjs() {
  try {
    return await import('memjs')
  } catch (cause) {
    return refuse('memjs', cause)
  }
}

export async function mongodb() {
  try {
    return await import('mongodb')
  } catch (cause) {
    return refuse('mongodb', cause)
  }
}

export async function dynamodb() {
  try {
    return await import('@aws-sdk/client-dynamodb')
  } catch (cause) {
    return refuse('@aws-sdk/client-dynamodb', cause)
  }
}

export async function firestore(): Promise<typeof import('@google-cloud/firestore')> {
  try {
    return await import('@google-cloud/firestore')
  } catch (cause) {
    return refuse('@google-cloud/firestore', cause)
  }
}

/** Throws `client_missing` with what to install. What is missing may as well be something that the package itself needs. */
function refuse(name: string, cause: unknown): never {
  const { code, message } = Object(cause) as { code?: unknown; message?: unknown }
  const text = String(message)
  // The last is what Vite puts in the place of an optional peer.
  const isMissing =
    code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND' || text.startsWith('Could not resolve "')
  // In the words of Node, of Vite, and of Yarn's Plug'n'Play.
  const isIt = [`'${name}`, `"${name}`, `access ${name}`].some((words) => text.includes(words))
  if (!isMissing || !isIt) throw cause
  throw new SojournError('client_missing', `openStore: this store needs the package ${name}: npm install ${name}`, {
    cause,
  })
}
