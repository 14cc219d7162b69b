import { ServerResponse } from 'node:http'
import type { NodeResponse } from './head.js'
import type { MethodName } from './held-calls.js'

type Method = (this: unknown, ...args: unknown[]) => unknown
export type Methods = { [name in MethodName]: Method }
type Hooks = Omit<Methods, 'cork' | 'uncork'>

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

/** Makes room for a gate that may come later. Responses that are alike are quicker to use, for Node as well. */
export function expectGate(response: object): void {
  const expecting = response as { [gateOf]?: Hooked | undefined }
  expecting[gateOf] ??= undefined
}

type HookedResponse = { readonly [gateOf]: Hooked }

/** Beneath all that a framework adds. Looked up with each call: tools that trace wrap them, at any time. */
const node = ServerResponse.prototype as unknown as Methods
export const nodeMethods: Readonly<Methods> = {
  get writeHead() {
    return node.writeHead
  },
  get write() {
    return node.write
  },
  get end() {
    return node.end
  },
  get flushHeaders() {
    return node.flushHeaders
  },
  get cork() {
    return node.cork
  },
  get uncork() {
    return node.uncork
  },
}

/** Of a response that has a gate. */
const hooks: Hooks = {
  writeHead(...args) {
    return gateAt(this).call('writeHead', args)
  },
  write(...args) {
    return gateAt(this).call('write', args)
  },
  end(...args) {
    return gateAt(this).call('end', args)
  },
  flushHeaders(...args) {
    return gateAt(this).call('flushHeaders', args)
  },
}

/** Of a response that failed before its handler was done. */
export const guards: Hooks = {
  writeHead(...args) {
    return gateAt(this).answer('writeHead', args)
  },
  write(...args) {
    return gateAt(this).answer('write', args)
  },
  end(...args) {
    return gateAt(this).answer('end', args)
  },
  flushHeaders(...args) {
    return gateAt(this).answer('flushHeaders', args)
  },
}

function gateAt(response: unknown): Hooked {
  return (response as HookedResponse)[gateOf]
}

/** Of what the responses of a framework inherit from. They heed a gate that counts on them. */
const inheritedHooks: Hooks = {
  writeHead(...args) {
    const gate = gateThatCounts(this)
    return gate ? gate.call('writeHead', args) : Reflect.apply(node.writeHead, this, args)
  },
  write(...args) {
    const gate = gateThatCounts(this)
    return gate ? gate.call('write', args) : Reflect.apply(node.write, this, args)
  },
  end(...args) {
    const gate = gateThatCounts(this)
    return gate ? gate.call('end', args) : Reflect.apply(node.end, this, args)
  },
  flushHeaders(...args) {
    const gate = gateThatCounts(this)
    return gate ? gate.call('flushHeaders', args) : Reflect.apply(node.flushHeaders, this, args)
  },
}

function gateThatCounts(response: unknown): Hooked | undefined {
  const gate = (response as Partial<HookedResponse>)[gateOf]
  return gate?.found === nodeMethods ? gate : undefined
}

/** Gives a response these methods. Half a response, such as Socket.IO shows its middleware, stays half. */
export function hook(response: NodeResponse, { writeHead, write, end, flushHeaders }: Hooks): void {
  const methods = response as unknown as Partial<Methods>
  if (methods.writeHead) methods.writeHead = writeHead
  if (methods.write) methods.write = write
  if (methods.end) methods.end = end
  if (methods.flushHeaders) methods.flushHeaders = flushHeaders
}

/** The methods of a response, which are Node's or those of a middleware that came before; now hooked. */
export function hookFound(response: NodeResponse): Readonly<Methods> {
  const { writeHead, write, end, flushHeaders, cork, uncork } = response as unknown as Methods
  hook(response, hooks)
  return { writeHead, write, end, flushHeaders, cork, uncork }
}

/** Lays hooks on what all responses of a framework inherit from, which inherits from Node's. */
export function hookPrototype(prototype: object): void {
  for (const [name, value] of Object.entries(inheritedHooks)) {
    if (!Object.hasOwn(prototype, name))
      Object.defineProperty(prototype, name, { value, writable: true, configurable: true })
  }
}

/** Whether a response has inherited its hooks, and nothing stands on them yet. */
export function inheritsHooks(response: object): boolean {
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
  const methods = response as unknown as Methods
  if (methods.writeHead === inheritedHooks.writeHead) methods.writeHead = inheritedHooks.writeHead
  if (methods.write === inheritedHooks.write) methods.write = inheritedHooks.write
  if (methods.end === inheritedHooks.end) methods.end = inheritedHooks.end
  if (methods.flushHeaders === inheritedHooks.flushHeaders) methods.flushHeaders = inheritedHooks.flushHeaders
}
