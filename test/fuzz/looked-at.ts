import { cookieValues } from '../../src/core/cookie.js'

/** How many characters are looked at to read a header of so many bytes, filled with `pair`: a cost without a clock. */
export function charactersLookedAt(pair: string, bytes: number): number {
  const text = Array(Math.ceil(bytes / (pair.length + 1)))
    .fill(pair)
    .join(';')
    .slice(0, bytes)
  let count = 0
  const counted = new Proxy(Object(text) as object, {
    get(_, name) {
      const member: unknown = Reflect.get(Object(text), name)
      if (typeof member !== 'function') {
        if (name !== 'length') count++
        return member
      }
      return (...given: unknown[]) => {
        const result: unknown = Reflect.apply(member, text, given)
        count += lookedAt(text, String(name), given, result)
        return result
      }
    },
  })
  cookieValues(counted as unknown as string, '__Host-session')
  return count
}

/** What a method of a text looks at, at most. */
function lookedAt(text: string, method: string, given: readonly unknown[], result: unknown): number {
  const [first, second] = given as [unknown, number | undefined]
  if (method === 'indexOf') return (result === -1 ? text.length : (result as number)) + 1 - (second ?? 0)
  if (method === 'startsWith') return String(first).length
  if (method === 'slice') return (result as string).length
  return text.length
}
