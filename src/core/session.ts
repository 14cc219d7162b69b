import type { SignInOptions } from './sign-in.js'

/**
 * The values of your app's sessions. Declare them once:
 *
 * ```ts
 * declare module 'sojourn' {
 *   interface SessionData {
 *     cart: string[]
 *   }
 * }
 * ```
 *
 * The names below are taken; declaring one of them anew is a type error.
 */
export interface SessionData {
  readonly id?: Reserved<'the name of the session'>
  readonly isNew?: Reserved<'whether it is stored yet'>
  readonly userId?: Reserved<'who is signed in; call signIn(userId) to change it'>
  readonly createdAt?: Reserved<'when it was created'>
  readonly expiresAt?: Reserved<'when it expires'>
  readonly authenticatedAt?: Reserved<'when the user signed in; call signIn(userId) to change it'>
  readonly signIn?: Reserved<'a method of sessions'>
  readonly signOut?: Reserved<'a method of sessions'>
  readonly renew?: Reserved<'a method of sessions'>
  readonly regenerate?: Reserved<'a method of sessions'>
  readonly destroy?: Reserved<'a method of sessions'>
  readonly touch?: Reserved<'a method of sessions'>
  readonly save?: Reserved<'a method of sessions'>
  readonly reload?: Reserved<'a method of sessions'>
  readonly update?: Reserved<'a method of sessions'>
  readonly take?: Reserved<'a method of sessions'>
}

/** Marks a name that a session value cannot have; `Use` says what the name is for. */
export interface Reserved<Use extends string> {
  readonly 'this name is taken by the session itself': Use
}

/** The names that belong to the session itself. A closed list: what comes later lives on `sessions`. */
export type ReservedName = keyof SessionFacts | keyof SessionVerbs<object>

/** What is known of a session. */
export interface SessionFacts {
  /** Names the session for life. Safe to show and to log: it gives no access. */
  readonly id: string
  /** Whether it is not in the store yet. */
  readonly isNew: boolean
  /** Who is signed in, else `null`. Call `signIn` to change it. */
  readonly userId: string | null
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  /** Milliseconds since the epoch. Moves while the session is used. */
  readonly expiresAt: number
  /**
   * When the user last proved who they are, in milliseconds since the epoch. `null` before sign-in, after a take-over by
   * `accept`, and where `onBindingChange: 'reauthenticate'` asks for a new one.
   */
  readonly authenticatedAt: number | null
}

/** A Node callback, as the verbs accept for libraries that were written for `express-session`. */
export type Callback = (error?: Error) => void

/**
 * What can be done with a session. Those that return nothing are intentions: they are applied in the order said, when
 * the response is about to begin. Await `save()` where it must be known before. All that change it throw
 * `store_unavailable` during an outage that `onStoreError: 'anonymous'` let pass.
 */
export interface SessionVerbs<Data> {
  /**
   * Signs a user in: a new token at once (ASVS 7.2.4), and the absolute timeout starts anew. Values of an anonymous
   * visitor, or of the same user, stay; another user's session is ended and an empty one started.
   * @param userId text or an integer (beyond 2^53 as a bigint or text), kept as text of at most 255 bytes
   * @throws `invalid_value` for another user id; `invalid_option` for other options; `headers_sent` after the response began
   */
  signIn(userId: string | number | bigint, options?: SignInOptions): void
  /** Ends the session, and asks the browser to clear what it keeps of this site (`Clear-Site-Data`). */
  signOut(callback?: Callback): void
  /**
   * Gives the session a new token; the old one is dead at once. Call it when rights change.
   * @throws `headers_sent` after the response began
   */
  renew(callback?: Callback): void
  /**
   * Ends this session and starts an empty one under a new name. For who signs in or out, `signIn` and `signOut` do it.
   * @throws `headers_sent` after the response began
   */
  regenerate(callback?: Callback): void
  /**
   * Ends the session for good, also after the response began; only the cookie stays then, and opens nothing. A value that
   * is set later starts a new one.
   */
  destroy(callback?: Callback): void
  /** Moves the expiry now. Seldom needed: using the session moves it by itself, each tenth of the idle timeout. */
  touch(): void
  /**
   * Writes what is pending now. Resolves to `false` when the session had ended meanwhile, or was given a new token by
   * another request, and the write was dropped; and over what looks like plain HTTP, where nothing is stored.
   * @throws `store_unavailable`, `invalid_value`, `session_limit`, `contention`, `record_too_large`, `cookie_too_large`
   */
  save(callback?: Callback): Promise<boolean>
  /**
   * Reads the session again; what was changed and not saved until its answer came is lost.
   * @throws `session_ended` if it is gone, or was never stored; `store_unavailable`
   */
  reload(callback?: Callback): Promise<void>
  /**
   * Changes one value by compare and set, so that no parallel change is lost. `change` may be called several times, and
   * cannot be async; what it returns is written, and a function that returns nothing removes the value. Resolves to the new value.
   * @throws `session_ended` when there is no session any more, or it was given a new token by another request; `contention` after many lost races, or two `storeTimeout`s;
   * `headers_sent` for the first value of a new session after the response began; `invalid_value`, `reserved_name` and
   * `corrupt_value` for the value or its name; what `save` throws, for what is pending is written first
   */
  update<Name extends keyof Data & string, Value extends Data[Name] | undefined = Data[Name] | undefined>(
    name: Name,
    change: (value: Data[Name] | undefined) => Value,
  ): Promise<Value>
  /**
   * Removes a value and resolves to it, or to `undefined`: of several requests that ask, one gets it. For messages that
   * show once.
   * @throws `contention` after many lost races, or two `storeTimeout`s; `invalid_value`, `reserved_name` and `corrupt_value` for
   * the value or its name; what `save` throws, for what is pending is written first
   */
  take<Name extends keyof Data & string>(name: Name): Promise<Data[Name] | undefined>
}

/** What a handler holds: the values as properties, beside facts and verbs. */
export type Session<Data = SessionData> = SessionFacts &
  SessionVerbs<Omit<Data, ReservedName>> & { [Name in Exclude<keyof Data, ReservedName>]?: Data[Name] }
