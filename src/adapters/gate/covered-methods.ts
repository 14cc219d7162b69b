/** What an object is held for. While it is, its covered methods do something else. */
export const heldOf = Symbol('sojourn.held')
const foundOf = Symbol('sojourn.found')

type Method = (this: unknown, ...args: unknown[]) => unknown
type Methods = { [name: string]: Method }
type Covered = { readonly [heldOf]?: unknown; [foundOf]?: Methods }

/** Methods to cover others with, one of each for all objects. What is not held goes on to what was found. */
export type CoveringMethods = readonly (readonly [name: string, method: Method])[]

export function coveringMethods<Held>(whileHeld: {
  readonly [name: string]: (held: Held, args: unknown[], name: never, target: never) => unknown
}): CoveringMethods {
  return Object.entries(whileHeld).map(([name, call]) => {
    function method(this: Covered, ...args: unknown[]): unknown {
      const held = this[heldOf]
      if (held) return call(held as Held, args, name as never, this as never)
      const found = this[foundOf] as Methods
      return Reflect.apply(found[name] as Method, this, args)
    }
    return [name, method as Method] as const
  })
}

/** Covers methods of an object: once, whoever stands on them since. Returns whether it was the first time. */
export function cover(target: object, methods: CoveringMethods): boolean {
  const covered = target as Covered
  if (covered[foundOf]) return false
  const present = target as Methods
  const found: Methods = {}
  for (const [name, method] of methods) {
    // Half a response, such as Socket.IO shows its middleware, stays half.
    if (!present[name]) continue
    found[name] = present[name]
    present[name] = method
  }
  covered[foundOf] = found
  return true
}
