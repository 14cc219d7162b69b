/** Tells the operator something, through `process.emitWarning` where there is one. */
export function warn(message: string): void {
  if (typeof process === 'object' && typeof process.emitWarning === 'function') {
    process.emitWarning(message, { type: 'SojournWarning' })
  } else {
    console.warn(`SojournWarning: ${message}`)
  }
}

/** Tells the operator of a change that nobody can be answered about any more. */
export function reportLateFailure(error: unknown): undefined {
  warn(`A session was changed after its response had begun, and the change was lost: ${reasonOf(error)}`)
}

/** Anything can be thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
