// How an app may name the type of `req.sessionStore`, with the typings of express-session and without.
// biome-ignore lint/suspicious/noTsIgnore: an error only where they are gone.
/** @ts-ignore */
import type {} from 'express-session'
import type {} from 'sojourn/express-session'

export type OfTheRequest = Express.Request['sessionStore']
export type OfTheirs = Express.SessionStore
