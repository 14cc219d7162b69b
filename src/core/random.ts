import { randomBytes } from 'node:crypto'

/**
 * Drawn many at a time, as Node does for `randomUUID`: a call of the system's generator takes some microseconds, however
 * few bytes it is for. And kept for no longer than a turn of the event loop: what starts from a snapshot of the process, or of
 * its machine, would give out the same once more.
 */
let drawn = Buffer.of()

/** So many random bytes, at most 1024, as base64url text: four characters for three bytes. */
export function randomText(bytes: number): string {
  if (drawn.length < bytes) {
    drawn = randomBytes(1024)
    globalThis.setImmediate?.(forget)
  }
  const text = drawn.toString('base64url', 0, bytes)
  drawn = drawn.subarray(bytes)
  return text
}

function forget(): void {
  drawn = Buffer.of()
}
