/** Why a session is to get a new token. */
export type TokenChange = 'none' | 'scheduled' | 'renew' | 'sign-in'

/** What the next patch is to carry beside the values. Replaced, never changed. */
export interface Intentions {
  readonly tokenChange: TokenChange
  /** Values of the engine's own, which begin with `__`. */
  readonly ownValues: Readonly<Record<string, string>>
  readonly touch: boolean
}

/** None, as most visits have: the same object each time. */
export const noIntentions: Intentions = Object.freeze({
  tokenChange: 'none',
  ownValues: {},
  touch: false,
})
