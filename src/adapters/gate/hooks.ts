import type { NodeResponse } from './head.js'
import type { MethodName } from './held-calls.js'

type Method = (this: unknown, ...args: unknown[]) => unknown
export type Methods = { [name in Exclude<MethodName, 'flush'>]: Method } & { flush?: Method }
export type HookName = Exclude<MethodName, 'cork' | 'uncork' | 'flush'>
export type Hooks = Pick<Methods, HookName>

/** What the hooks of a response call. */
export interface Hooked {
  readonly isExpected: false
  /** Whether the hooks are those that the response inherits. */
  readonly isInherited: boolean
  call(name: MethodName, args: readonly unknown[]): unknown
  answer(name: HookName, args: readonly unknown[]): unknown
}

/** Who places the gate of a response when there is need of it. */
export interface GateExpected {
  readonly isExpected: true
  placeGate(): Hooked
}

/** How a gate stands on hooks that a response inherits. */
export interface InheritedHooks {
  /** What they stand on; `undefined` where the response has none. */
  methodsBelow(response: object): Readonly<Methods> | undefined
  /** Makes them the response's own, before it inherits from elsewhere. */
  keep(response: object): void
}

/**
 * Where a response keeps its gate, or who may still place it. The functions that hook its methods are the same for all
 * responses: a closure for each would cost a third of what Node spends on a request of a bare Express.
 */
export const gateOf = Symbol('sojourn.gate')

type HookedResponse = { readonly [gateOf]: Hooked }

export const hookNames = ['writeHead', 'write', 'end', 'flushHeaders'] as const

export function hooksThat(act: (this: unknown, name: HookName, args: readonly unknown[]) => unknown): Hooks {
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
