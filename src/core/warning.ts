import { show } from './show.js'

/** Tells the operator something, through `process.emitWarning` where there is one that prints. */
export function warn(message: string): void {
  if (!isWorkers() && typeof process === 'object' && typeof process.emitWarning === 'function') {
    process.emitWarning(message, { type: 'SojournWarning' })
  } else {
    console.warn(`SojournWarning: ${message}`)
  }
}

/** Cloudflare's has an `emitWarning` that nobody sees. */
function isWorkers(): boolean {
  const { navigator } = globalThis as { navigator?: { userAgent?: string } }
  return navigator?.userAgent === 'Cloudflare-Workers'
}

/** Tells the operator of a change that nobody can be answered about any more. */
export function reportLateFailure(error: unknown): undefined {
  warn(`A change of a session after its response had begun was lost: ${reasonOf(error)}`)
}

/** Calls what the app asked to be told by. That it throws, or rejects, harms nobody: a warning tells. */
export function callListener(what: string, listener: () => unknown): void {
  const complain = (error: unknown) => warn(`${what} threw: ${reasonOf(error)}`)
  try {
    const returned = listener()
    if (returned instanceof Promise) returned.catch(complain)
  } catch (error) {
    complain(error)
  }
}

/** Anything can be thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : show(error)
}
