/** What the apps keep of a visitor: two values, 190 bytes as JSON. */
export interface Visitor {
  profile?: { id: number; name: string; email: string; roles: string[]; locale: string; team: string }
  views?: number
}

/** The values of a new visitor. */
export function newVisitor(): Required<Visitor> {
  return {
    profile: {
      id: 4711,
      name: 'Ada Lovelace',
      email: 'ada.lovelace@analytical-engine.example',
      roles: ['reader', 'editor'],
      locale: 'en-GB',
      team: 'Notes on the sketch by Menabrea',
    },
    views: 0,
  }
}

/** How a handler reaches its visitor. */
export interface Access<Request, Response> {
  of(request: Request): Visitor
  /** Where a change has to be saved by hand. */
  save?(request: Request, response: Response): unknown
}

/** One kind of request, which every app answers in the same way. */
export interface Work {
  readonly method: 'GET' | 'POST'
  readonly path: string
  /** Whether the request carries a session cookie. */
  readonly hasCookie: boolean
}

export const works = {
  'no cookie': { method: 'GET', path: '/hello', hasCookie: false },
  untouched: { method: 'GET', path: '/hello', hasCookie: true },
  read: { method: 'GET', path: '/views', hasCookie: true },
  'read an object': { method: 'GET', path: '/name', hasCookie: true },
  change: { method: 'POST', path: '/views', hasCookie: true },
} as const satisfies { readonly [name: string]: Work }

export type WorkName = keyof typeof works
export const workNames = Object.keys(works) as WorkName[]
