/** What the two sides of the differential test are made to do: an app, its store, its visitors. */
import fc from 'fast-check'

export interface Scenario {
  options: AppOptions
  store: StoreTraits
  visits: VisitPlan[]
}

export interface AppOptions {
  resave: boolean | undefined
  saveUninitialized: boolean | undefined
  rolling: boolean | undefined
  unset: 'destroy' | 'keep' | undefined
  proxy: boolean | undefined
  name: string | undefined
  secret: string | string[]
  cookie: CookieTraits
  /** Whether the `cookie` option is a function that returns it. */
  cookieByFunction: boolean
  /** Whether ids come from `genid`, counted; else both sides draw from one sequence of random bytes. */
  framework: 'none' | 'connect' | 'express' | 'express4'
  /** Whether the app mounts the middleware twice. */
  twice: boolean
  /** A `genid` that throws at this call. */
  genidThrowsAt: number | undefined
}

export interface CookieTraits {
  maxAge?: number | null
  expires?: number | null
  httpOnly?: boolean
  secure?: boolean | 'auto'
  sameSite?: boolean | 'lax' | 'strict' | 'none' | 'auto'
  path?: string
  domain?: string
  partitioned?: boolean
  priority?: 'low' | 'medium' | 'high'
}

export interface StoreTraits {
  timing: 'synchronous' | 'microtask' | 'immediate' | 'slow'
  touches: boolean
  /** Which calls of the whole scenario fail, by their number, and how. */
  failures: readonly { call: number; code: string | undefined }[]
  /** Whose class the store extends. */
  base: 'own' | 'express-session'
}

export interface VisitPlan {
  /** Milliseconds that pass before it. */
  pause: number
  method: 'GET' | 'POST' | 'HEAD'
  path: string
  forwardedProto: string | undefined
  /** Whether Express would call it secure. */
  secure: boolean | undefined
  cookie: CookiePlan
  storeEvent: 'connect' | 'disconnect' | undefined
  steps: Step[]
  response: ResponsePlan
}

export type CookiePlan =
  | 'none'
  | 'jar'
  | 'forged'
  | 'unknown'
  | 'foreign'
  | 'unsigned'
  | 'quoted'
  | 'unencoded'
  | 'good-then-bad'
  | 'bad-then-good'
  | 'garbage'
  | 'empty-id'
  | 'parsed'
  | 'parsed-signed'
  | 'older-secret'

export type Step =
  | { kind: 'set'; name: string; value: unknown }
  | { kind: 'increment' | 'remove'; name: string }
  | {
      kind:
        | 'nest'
        | 'regenerate'
        | 'destroy'
        | 'reload'
        | 'save'
        | 'touch'
        | 'resetMaxAge'
        | 'observe'
        | 'null'
        | 'delete'
    }
  | { kind: 'maxAge'; value: number | null }
  | { kind: 'expires'; value: number | null | false }
  | { kind: 'cookieAttribute'; name: string; value: unknown }
  | { kind: 'sessionID'; value: 'function' | 'undefined' | 'other' }
  | { kind: 'storedMeanwhile'; change: 'remove' | 'add' | 'reserved' | 'expire' }
  | { kind: 'pause' }

export type ResponsePlan =
  | { kind: 'end'; status: number; body: 'none' | 'null' | 'text' | 'buffer' | 'base64'; length: boolean }
  | { kind: 'stream'; chunks: number; length: boolean; pause: boolean }
  | { kind: 'writeHead'; status: number; headers: 'none' | 'object' | 'array'; cookie: boolean }
  | { kind: 'flush' }
  | { kind: 'twice' }
  | { kind: 'cookieBefore'; several: boolean }
  | { kind: 'error' }

const minute = 60_000
const names = fc.constantFrom('views', 'user', 'cart', 'constructor', '1')
const values = fc.oneof(
  fc.constantFrom(0, 1, '', 'text', null, true, 'Ünïcødé \u2028'),
  fc.constant([1, { a: [] }]),
  fc.constant({ nested: { deep: [] } }),
  fc.constant(undefined),
)

function plain<Kind extends string>(kind: Kind) {
  return fc.constant({ kind } as const)
}

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('set' as const), name: names, value: values }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('increment' as const, 'remove' as const), name: names }) },
  plain('nest'),
  { weight: 2, arbitrary: plain('regenerate') },
  { weight: 2, arbitrary: plain('destroy') },
  { weight: 2, arbitrary: plain('reload') },
  { weight: 3, arbitrary: plain('save') },
  plain('touch'),
  plain('resetMaxAge'),
  { weight: 2, arbitrary: plain('observe') },
  { weight: 2, arbitrary: plain('null') },
  plain('delete'),
  fc.record({ kind: fc.constant('maxAge' as const), value: fc.constantFrom(null, 0, 1000, minute, -1) }),
  fc.record({
    kind: fc.constant('expires' as const),
    value: fc.constantFrom(null, false as const, 0, minute, Number.NaN),
  }),
  fc
    .constantFrom<[string, unknown]>(
      ['path', '/'],
      ['path', 'bad;'],
      ['secure', true],
      ['secure', false],
      ['sameSite', 'none'],
      ['sameSite', 'bad'],
      ['httpOnly', undefined],
      ['domain', 'example.com'],
      ['domain', 'bad;'],
      ['priority', 'high'],
      ['priority', 1],
      ['extra', { kept: 'nowhere' }],
      ['originalMaxAge', minute],
      ['originalMaxAge', null],
    )
    .map(([name, value]) => ({ kind: 'cookieAttribute' as const, name, value })),
  fc.record({
    kind: fc.constant('sessionID' as const),
    value: fc.constantFrom('function' as const, 'undefined' as const, 'other' as const),
  }),
  fc.record({
    kind: fc.constant('storedMeanwhile' as const),
    change: fc.constantFrom('remove' as const, 'add' as const, 'reserved' as const, 'expire' as const),
  }),
  plain('pause'),
)

const response: fc.Arbitrary<ResponsePlan> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('end' as const),
      status: fc.constantFrom(200, 200, 200, 204, 302, 304, 404, 500),
      body: fc.constantFrom('none' as const, 'null' as const, 'text' as const, 'buffer' as const, 'base64' as const),
      length: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('stream' as const),
      chunks: fc.integer({ min: 1, max: 3 }),
      length: fc.boolean(),
      pause: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('writeHead' as const),
      status: fc.constantFrom(200, 201, 302),
      headers: fc.constantFrom('none' as const, 'object' as const, 'array' as const),
      cookie: fc.boolean(),
    }),
  },
  plain('flush'),
  plain('twice'),
  fc.record({ kind: fc.constant('cookieBefore' as const), several: fc.boolean() }),
  plain('error'),
)

const visit: fc.Arbitrary<VisitPlan> = fc.record({
  pause: fc.constantFrom(0, 0, 0, 1, 500, 1000, 30_000, minute, 2 * minute),
  method: fc.constantFrom('GET' as const, 'GET' as const, 'POST' as const, 'HEAD' as const),
  path: fc.constantFrom('/', '/', '/', '/app', '/app/page?q=/', '/other', '/app/%2e', '//app'),
  forwardedProto: fc.constantFrom(undefined, undefined, 'https', 'http', 'HTTPS , http', 'http,https', ''),
  secure: fc.constantFrom(undefined, undefined, true, false),
  cookie: fc.oneof(
    { weight: 12, arbitrary: fc.constant('jar' as const) },
    {
      weight: 5,
      arbitrary: fc.constantFrom<CookiePlan>(
        'none',
        'forged',
        'unknown',
        'foreign',
        'unsigned',
        'quoted',
        'unencoded',
        'good-then-bad',
        'bad-then-good',
        'garbage',
        'empty-id',
        'parsed',
        'parsed-signed',
        'older-secret',
      ),
    },
  ),
  storeEvent: fc.constantFrom(undefined, undefined, undefined, undefined, undefined, 'connect', 'disconnect'),
  steps: fc.array(step, { maxLength: 4 }),
  response,
})

const cookieTraits: fc.Arbitrary<CookieTraits> = fc.record(
  {
    maxAge: fc.constantFrom(null, 0, 1000, minute, minute, 86_400_000),
    expires: fc.constantFrom(null, minute, -1, Number.NaN),
    httpOnly: fc.boolean(),
    secure: fc.constantFrom(true, false, 'auto' as const),
    sameSite: fc.constantFrom(true, false, 'lax' as const, 'strict' as const, 'none' as const, 'auto' as const),
    path: fc.constantFrom('/', '/', '/', '/app', '/other/'),
    domain: fc.constantFrom('example.com', 'bad domain'),
    partitioned: fc.boolean(),
    priority: fc.constantFrom('low' as const, 'medium' as const, 'high' as const),
  },
  { requiredKeys: [] },
)

const anyScenario: fc.Arbitrary<Scenario> = fc.record({
  options: fc.record({
    resave: fc.constantFrom(true, false, false, undefined),
    saveUninitialized: fc.constantFrom(true, false, false, undefined),
    rolling: fc.constantFrom(true, false, undefined),
    unset: fc.constantFrom('destroy' as const, 'keep' as const, undefined),
    proxy: fc.constantFrom(true, false, undefined),
    name: fc.constantFrom(undefined, undefined, 'sid', 'a b', 'sess:id', '__Host-sid'),
    secret: fc.constantFrom<string | string[]>('keyboard cat', ['new', 'keyboard cat'], ['only']),
    cookie: fc.oneof(fc.constant({}), cookieTraits),
    cookieByFunction: fc.constantFrom(false, false, false, true),
    framework: fc.constantFrom(
      'none' as const,
      'none' as const,
      'connect' as const,
      'express' as const,
      'express4' as const,
    ),
    twice: fc.constantFrom(false, false, false, false, true),
    genidThrowsAt: fc.constantFrom(undefined, undefined, undefined, undefined, undefined, undefined, undefined, 1, 2),
  }),
  store: fc.record({
    timing: fc.constantFrom('synchronous' as const, 'microtask' as const, 'immediate' as const, 'slow' as const),
    touches: fc.boolean(),
    failures: fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      {
        weight: 1,
        arbitrary: fc.array(
          fc.record({ call: fc.integer({ min: 1, max: 8 }), code: fc.constantFrom(undefined, 'ENOENT') }),
          { minLength: 1, maxLength: 3 },
        ),
      },
    ),
    base: fc.constantFrom('own' as const, 'express-session' as const),
  }),
  visits: fc.array(visit, { minLength: 1, maxLength: 5 }),
})

/**
 * Without the situations in which the drop-in is meant to differ; docs/express-session.md lists them, and
 * differences.test.ts shows each.
 */
export const scenario: fc.Arbitrary<Scenario> = anyScenario.map((plan) => {
  let { options, store } = plan
  // A request that could not read its session, or make one, leaves the stored one alone.
  if (options.unset === 'destroy') {
    options = { ...options, genidThrowsAt: undefined }
    store = { ...store, failures: store.failures.map(({ call }) => ({ call, code: 'ENOENT' })) }
  }
  // 'auto' works where the cookie's options come from a function.
  const { secure, sameSite } = options.cookie
  if (secure === 'auto' || sameSite === 'auto') options = { ...options, cookieByFunction: false }
  // Of two failures in one response, the one that Express hears of may be the other.
  if (canBeInvalid(plan)) store = { ...store, failures: [] }
  return { ...plan, options, store }
})

function canBeInvalid({ options: { name, cookie }, visits }: Scenario): boolean {
  if (name === 'a b' || name === 'sess:id' || cookie.domain === 'bad domain' || Number.isNaN(cookie.expires))
    return true
  return visits.some(({ steps }) => steps.some((step) => step.kind === 'cookieAttribute' || step.kind === 'expires'))
}
