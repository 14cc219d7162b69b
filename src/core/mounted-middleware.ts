import type { Visits } from './sessions.js'

/** What a middleware function tells of itself, so that the doctor can find it in an app. */
export interface MiddlewareDescription {
  /** Of the engine: what it serves. */
  readonly visits?: Visits
  /** Of the drop-in: its options, as it uses them. */
  readonly dropIn?: DropInDescription
}

export interface DropInDescription {
  readonly secrets: readonly unknown[]
  readonly resave: boolean
  readonly saveUninitialized: boolean
  readonly isMemoryStore: boolean
  /** `undefined` where the cookie's options are a function of the request. */
  readonly cookie: { readonly [option in DropInCookieOption]?: unknown } | undefined
}

type DropInCookieOption = 'maxAge' | 'expires' | 'httpOnly' | 'path' | 'domain' | 'secure' | 'sameSite' | 'partitioned'

const description = Symbol.for('sojourn.middleware')

/** Marks a middleware function. Behind a function, so that whoever prints the app does not print its secrets. */
export function describeMiddleware<F extends object>(middleware: F, about: MiddlewareDescription): F {
  return Object.defineProperty(middleware, description, { value: () => about })
}

/** What a function says of itself; `undefined` for one that is not of Sojourn. */
export function middlewareDescription(middleware: unknown): MiddlewareDescription | undefined {
  return (middleware as { [description]?: () => MiddlewareDescription } | undefined)?.[description]?.()
}
