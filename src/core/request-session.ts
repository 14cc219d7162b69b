import type { ReservedName, SessionData, SessionFacts, SessionVerbs } from './session.js'

/**
 * The kinds of session that a request may have. Each wing that puts one on Express requests adds its own, so that both
 * can be in one program: there a request has the members of both, as far as the compiler knows.
 */
// biome-ignore lint/suspicious/noEmptyInterface: it is extended where a kind is known.
export interface SessionKinds {}

type AllOf<Kinds> = { [Name in keyof Kinds]: (kind: Kinds[Name]) => void }[keyof Kinds] extends (
  kind: infer Kind,
) => void
  ? Kind
  : never

/** Of a member that both have, such as `save`, the engine's comes first: with its result. */
type OneOrBoth<Kinds> = Kinds extends { sojourn: infer Ours }
  ? Ours & (keyof Kinds extends 'sojourn' ? unknown : AllOf<Omit<Kinds, 'sojourn'>>)
  : AllOf<Kinds>

/** A request that has a session. */
export interface RequestWithSession {
  /** The visitor's session. */
  session: OneOrBoth<SessionKinds>
}

// To add to the types of another session library, which may be installed as well and then says what a request's session is:

type Verbs = SessionVerbs<Omit<SessionData, ReservedName>>
type OurOwn = Exclude<keyof Verbs, 'regenerate' | 'destroy' | 'reload' | 'save' | 'touch'>

/** What such a library's sessions lack beside values. */
export interface SessionMembers extends SessionFacts, Pick<Verbs, OurOwn> {}

/** The values that the app declared. */
export interface SessionValues extends Omit<SessionData, ReservedName> {}
