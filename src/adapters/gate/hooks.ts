import type { NodeResponse } from './head.js'
import type { MethodName } from './held-calls.js'
import { ServerResponse } from './node-http.js'

type Method = (this: unknown, ...args: unknown[]) => unknown
export type Methods = { [name in MethodName]: Method }
type HookName = Exclude<MethodName, 'cork' | 'uncork'>
type Hooks = Pick<Methods, HookName>

/** What the hooks of a response call. */
interface Hooked {
  /** The methods that were found under the hooks. */
  readonly found: Readonly<Methods>
  call(name: MethodName, args: readonly unknown[]): unknown
  answer(name: MethodName, args: readonly unknown[]): unknown
}

/**
 * Where a response keeps its gate. The functions that hook its methods are the same for all responses: a closure for
 * each would cost a third of what Node spends on a request of a bare Express.
 */
export const gateOf = Symbol('sojourn.gate')

type HookedResponse = { readonly [gateOf]: Hooked }

/** Beneath all that a framework adds. Looked up with each call: tools that trace wrap them, at any time. */
export const nodeMethods = ServerResponse.prototype as unknown as Readonly<Methods>

const hookNames = ['writeHead', 'write', 'end', 'flushHeaders'] as const

function hooksThat(act: (this: unknown, name: HookName, args: readonly unknown[]) => unknown): Hooks {
  const hooks = hookNames.map((name) => {
    const hook: Method = function (...args) {
      return act.call(this, name, args)
    }
    return [name, hook]
  })
  return Object.fromEntries(hooks)
}

/** Of a response that has a gate. */
const hooks = hooksThat(function (name, args) {
  return (this as HookedResponse)[gateOf].call(name, args)
})

/** Of a response that failed before its handler was done. */
export const guards = hooksThat(function (name, args) {
  return (this as HookedResponse)[gateOf].answer(name, args)
})

/** Of what the responses of a framework inherit from. They heed a gate that counts on them. */
const inheritedHooks = hooksThat(function (name, args) {
  const gate = (this as Partial<HookedResponse>)[gateOf]
  return gate?.found === nodeMethods ? gate.call(name, args) : Reflect.apply(nodeMethods[name], this, args)
})

/** Gives a response these methods. Half a response, such as Socket.IO shows its middleware, stays half. */
export function hook(response: NodeResponse, hooks: Hooks): void {
  const methods = response as unknown as Hooks
  for (const name of hookNames) if (methods[name]) methods[name] = hooks[name]
}

/** The methods of a response, which are Node's or those of a middleware that came before; now hooked. */
export function hookFound(response: NodeResponse): Readonly<Methods> {
  const { writeHead, write, end, flushHeaders, cork, uncork } = response as unknown as Methods
  hook(response, hooks)
  return { writeHead, write, end, flushHeaders, cork, uncork }
}

/** Lays hooks on what all responses of a framework inherit from, which inherits from Node's. */
export function hookPrototype(prototype: object): void {
  for (const name of hookNames) {
    const method = { value: inheritedHooks[name], writable: true, configurable: true }
    if (!Object.hasOwn(prototype, name)) Object.defineProperty(prototype, name, method)
  }
}

/**
 * Whether a gate may come later, since the response has inherited its hooks and nothing stands on them yet. Makes room for
 * it then: responses that are alike are quicker to use, for Node as well.
 */
export function expectGate(response: object): boolean {
  if (!inheritsHooks(response)) return false
  if (!(gateOf in response)) (response as { [gateOf]?: undefined })[gateOf] = undefined
  return true
}

/** Whether inherited hooks will heed a gate, also if something stands on them by now. */
export function isHooked(response: object): boolean {
  return gateOf in response || inheritsHooks(response)
}

/** Whether a response has inherited its hooks, and nothing stands on them yet. */
function inheritsHooks(response: object): boolean {
  const { writeHead, write, end, flushHeaders } = response as Methods
  return (
    end === inheritedHooks.end &&
    write === inheritedHooks.write &&
    writeHead === inheritedHooks.writeHead &&
    flushHeaders === inheritedHooks.flushHeaders
  )
}

/**
 * Gives a response its inherited hooks for its own. An app of another copy of the framework that is called rather than
 * mounted would have it inherit from elsewhere.
 */
export function keepInheritedHooks(response: NodeResponse): void {
  const methods = response as unknown as Hooks
  for (const name of hookNames) if (methods[name] === inheritedHooks[name]) methods[name] = inheritedHooks[name]
}
