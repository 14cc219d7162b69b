/**
 * Hooks that responses inherit from what a framework has them inherit from, such as `express.response`: to give each response
 * hooks, and a facade while it is held, costs several times what the hooks do. So a gate can wait until somebody asks for it.
 *
 * @module
 */

import { coverPrototype } from './held-calls.js'
import {
  type GateExpected,
  gateOf,
  type Hooked,
  type HookName,
  type Hooks,
  hookNames,
  hooksThat,
  type InheritedHooks,
  type Methods,
} from './hooks.js'
import { ServerResponse } from './node-http.js'

type InheritingResponse = Methods & { [gateOf]?: Hooked | GateExpected; readonly [belowOf]?: Methods }

/** On what has hooks to inherit: what itself inherits from. Looked up with each call, for anybody may exchange it. */
const belowOf = Symbol('sojourn.below')

/** They heed a gate that counts on them. */
const hooks = hooksThat(function (name, args) {
  const response = this as InheritingResponse
  const gate = gateFor(response, name)
  if (gate) return gate.call(name, args)
  const below = response[belowOf] ?? (ServerResponse.prototype as unknown as Methods)
  return Reflect.apply(below[name], response, args)
})

function gateFor(response: InheritingResponse, name: HookName): Hooked | undefined {
  const gate = response[gateOf]
  if (gate?.isExpected === false) return gate.isInherited ? gate : undefined
  // Whoever wraps `writeHead` may ask for the session in there, when Node is half way through the method that calls it.
  const isWrapped = response.writeHead !== hooks.writeHead
  return isWrapped && name !== 'writeHead' ? gate?.placeGate() : undefined
}

/** Prepares what all responses of a framework inherit from, and what itself inherits from Node's. */
export function prepareResponses(prototype: object): void {
  for (const name of hookNames) {
    const method = { value: hooks[name], writable: true, configurable: true }
    if (!Object.hasOwn(prototype, name)) Object.defineProperty(prototype, name, method)
  }
  Object.defineProperty(prototype, belowOf, { get: () => Object.getPrototypeOf(prototype) })
  coverPrototype(prototype)
}

/** Whether what a response inherits from is prepared, whatever stands on its hooks. */
export function isPrepared(response: object): boolean {
  return belowOf in response
}

/**
 * Whether a gate may come later, since the response has inherited its hooks and nothing stands on them yet. Notes who
 * places it then.
 */
export function expectGate(response: object, expected: GateExpected): boolean {
  const { writeHead, write, end, flushHeaders } = response as Methods
  const isBare =
    end === hooks.end && write === hooks.write && writeHead === hooks.writeHead && flushHeaders === hooks.flushHeaders
  const expecting = response as InheritingResponse
  if (isBare && !expecting[gateOf]) expecting[gateOf] = expected
  return isBare
}

export const inheritedHooks: InheritedHooks = {
  /**
   * Of a response that expects its gate: the methods of Node, as a rule. What came to stand on the hooks since leads to them.
   * None where an app of another copy of the framework, which was called and not mounted, has it inherit from elsewhere.
   */
  methodsBelow(response) {
    return gateOf in response ? (response as InheritingResponse)[belowOf] : undefined
  },
  keep(response) {
    const methods = response as Hooks
    for (const name of hookNames) if (methods[name] === hooks[name]) methods[name] = hooks[name]
  },
}
