/** One side of the differential test: an app over one of the two implementations, behind a real server. */
import { createHmac } from 'node:crypto'
import { Agent, createServer, request as httpRequest, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import connect from 'connect'
import express from 'express'
// @ts-expect-error: its typings are those of Express 5, by another name.
import express4 from 'express4'
import { vi } from 'vitest'
import type { AppOptions, CookiePlan, ResponsePlan, Scenario, Step, StoreTraits, VisitPlan } from './scenario.js'

// biome-ignore-start lint/suspicious/noExplicitAny: both implementations go through here, each with typings of its own.
export type Implementation = any
type Any = any
// biome-ignore-end lint/suspicious/noExplicitAny: as above.

type Next = (error?: unknown) => void
type Middleware = (request: Any, response: Any, next: Next) => void

/** What a user, an operator or a store's author can see of one visit. */
export interface Observation {
  status: number | undefined
  headers: [name: string, value: string][]
  body: string
  /** What handlers read, what callbacks were told, what `next` was given. */
  log: string[]
  storeCalls: string[]
  stored: { [id: string]: string }
}

export interface Side {
  run(scenario: Scenario): Promise<Observation[]>
  close(): Promise<void>
}

/** A server that plays scenarios on an implementation. Both sides must be told the time through a faked `Date`. */
export async function startSide(implementation: Implementation, original: Implementation): Promise<Side> {
  let handle: Middleware = () => {}
  const server: Server = createServer((request, response) => handle(request, response, () => {}))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  return {
    async run(scenario) {
      const stage = prepare(scenario, implementation, original)
      const observations: Observation[] = []
      for (const visit of scenario.visits) {
        vi.setSystemTime(Date.now() + visit.pause)
        handle = stage.handlerFor(visit)
        stage.beforeVisit(visit)
        const answer = await send({ agent, port }, visit, stage.cookieHeader(visit))
        await stage.settled()
        observations.push(stage.observe(answer))
      }
      return observations
    },
    async close() {
      agent.destroy()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

interface Answer {
  status: number | undefined
  headers: [name: string, value: string][]
  body: string
}

function send(where: { agent: Agent; port: number }, visit: VisitPlan, cookie: string | undefined): Promise<Answer> {
  const headers: { [name: string]: string } = {}
  if (cookie !== undefined) headers.cookie = cookie
  if (visit.forwardedProto !== undefined) headers['x-forwarded-proto'] = visit.forwardedProto
  return new Promise((resolve) => {
    const request = httpRequest(
      { ...where, host: '127.0.0.1', method: visit.method, path: visit.path, headers, timeout: 1000 },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk) => chunks.push(chunk))
        response.on('error', () => {})
        response.on('close', () => {
          const body = response.complete ? Buffer.concat(chunks).toString() : 'cut off'
          resolve({ status: response.statusCode, headers: pairs(response.rawHeaders), body })
        })
      },
    )
    request.on('timeout', () => request.destroy(new Error('no answer')))
    request.on('error', (error) => resolve({ status: undefined, headers: [], body: error.message }))
    request.end()
  })
}

function pairs(raw: string[]): [string, string][] {
  return Array.from({ length: raw.length / 2 }, (_, index) => [raw[index * 2] as string, raw[index * 2 + 1] as string])
}

function prepare(scenario: Scenario, implementation: Implementation, original: Implementation) {
  const log: string[] = []
  const storeCalls: string[] = []
  const pending = new Set<unknown>()
  const records = new Map<string, string>()
  const jar = new Map<string, string>()
  const { options, store: traits } = scenario
  const Base = traits.base === 'own' ? implementation.Store : original.Store
  const store = makeStore(Base, traits, { records, storeCalls, pending })
  const cookieName = options.name ?? 'connect.sid'
  const secrets = [options.secret].flat()
  let newestId: string | undefined

  const middleware: Middleware = implementation(optionsFor(options, store))
  let plan: VisitPlan

  const app = frame(options, middleware, log, (request, response, next) => {
    void act(plan, request, response, next)
  })

  async function act(visit: VisitPlan, request: Any, response: Any, next: Next): Promise<void> {
    pending.add(visit)
    try {
      for (const step of visit.steps) await perform(step, request, { log, records })
      if (request.sessionID) newestId = String(request.sessionID)
      await respond(visit.response, request, response, next)
    } catch (error) {
      log.push(`thrown: ${(error as Error).message}`)
      if (!response.headersSent) response.statusCode = 500
      response.end('failed')
    } finally {
      pending.delete(visit)
    }
  }

  return {
    handlerFor(visit: VisitPlan): Middleware {
      plan = visit
      return (request, response, done) => {
        pending.add(response)
        response.once('close', () => pending.delete(response))
        if (visit.secure !== undefined)
          Object.defineProperty(request, 'secure', { value: visit.secure, configurable: true })
        if (visit.cookie === 'parsed') request.cookies = { [cookieName]: `s:${signed(newestId ?? 'none', secrets[0])}` }
        if (visit.cookie === 'parsed-signed') request.signedCookies = { [cookieName]: newestId }
        app(request, response, done)
      }
    },

    beforeVisit(visit: VisitPlan) {
      if (visit.storeEvent) store.emit(visit.storeEvent)
    },

    cookieHeader(visit: VisitPlan): string | undefined {
      return cookieHeader(visit.cookie, cookieName, jar.get(cookieName), newestId, secrets)
    },

    async settled(): Promise<void> {
      const stop = performance.now() + 3000
      for (let quiet = 0; quiet < 3; quiet++) {
        await nextTurn()
        if (pending.size > 0) quiet = 0
        if (performance.now() > stop) throw new Error('stuck')
      }
    },

    observe({ status, headers, body }: Answer): Observation {
      for (const [name, value] of headers) {
        const [, key, text] = name.toLowerCase() === 'set-cookie' ? (/^([^=]*)=([^;]*)/.exec(value) ?? []) : []
        if (key !== undefined) jar.set(key, text as string)
      }
      return {
        status,
        headers: headers.filter(([name]) => !isFraming(name)),
        body,
        log: log.splice(0),
        storeCalls: storeCalls.splice(0),
        stored: Object.fromEntries(records),
      }
    },
  }
}

/**
 * A response whose session is being stored is sent by express-session in two pieces and therefore chunked, by Sojourn whole
 * and with its length. Whether a connection stays open follows from that.
 */
function isFraming(name: string): boolean {
  return ['date', 'connection', 'keep-alive', 'transfer-encoding', 'content-length'].includes(name.toLowerCase())
}

function optionsFor(options: AppOptions, store: unknown) {
  const { cookie, cookieByFunction, genidThrowsAt, resave, saveUninitialized, rolling, unset, proxy, name, secret } =
    options
  const attributes: Any = { ...cookie }
  if (typeof cookie.expires === 'number') attributes.expires = new Date(Date.now() + cookie.expires)
  let count = 0
  return {
    ...{ resave, saveUninitialized, rolling, unset, proxy, name, secret, store },
    cookie: cookieByFunction ? () => attributes : attributes,
    genid(request: Any) {
      count++
      // What `regenerate` does with it is told where the differences are.
      if (count === genidThrowsAt && !request.session) throw new Error('no id')
      return `id-${count}`
    },
  }
}

function frame(options: AppOptions, middleware: Middleware, log: string[], handler: Middleware): Middleware {
  const onError = (error: Any, response: Any) => {
    log.push(`next: ${error.message}${response.headersSent ? ', after the head' : ''}`)
    if (response.headersSent) return
    response.statusCode = 500
    response.end(error.message)
  }
  if (options.framework === 'none') {
    return (request, response) => {
      const chain = options.twice ? [middleware, middleware, handler] : [middleware, handler]
      const step = (index: number, error?: unknown) => {
        if (error) onError(error, response)
        else chain[index]?.(request, response, (failure) => step(index + 1, failure))
      }
      try {
        step(0)
      } catch (error) {
        onError(error, response)
      }
    }
  }
  const app: Any = { connect, express, express4 }[options.framework]()
  app.use(middleware)
  if (options.twice) app.use(middleware)
  app.use(handler)
  app.use((error: unknown, _request: unknown, response: unknown, _next: Next) => onError(error, response))
  return app
}

function makeStore(
  Base: Any,
  traits: StoreTraits,
  { records, storeCalls, pending }: { records: Map<string, string>; storeCalls: string[]; pending: Set<unknown> },
) {
  let calls = 0
  function answer(callback: Any, ...results: unknown[]): void {
    const call = ++calls
    const failure = traits.failures.find((candidate) => candidate.call === call)
    const given = failure ? [Object.assign(new Error(`store failed at ${call}`), { code: failure.code })] : results
    const run = () => {
      pending.delete(run)
      callback?.(...given)
    }
    pending.add(run)
    if (traits.timing === 'synchronous') run()
    else if (traits.timing === 'microtask') queueMicrotask(run)
    else if (traits.timing === 'immediate') setImmediate(run)
    else setTimeout(run, 3)
  }
  class TestStore extends Base {
    get(id: string, callback: unknown) {
      storeCalls.push(`get ${id}`)
      const text = records.get(id)
      answer(callback, null, text === undefined ? undefined : JSON.parse(text))
    }
    set(id: string, session: unknown, callback: unknown) {
      storeCalls.push(`set ${id} ${JSON.stringify(session)}`)
      records.set(id, JSON.stringify(session))
      answer(callback)
    }
    destroy(id: string, callback: unknown) {
      storeCalls.push(`destroy ${id}`)
      records.delete(id)
      answer(callback)
    }
  }
  if (traits.touches) {
    Object.assign(TestStore.prototype, {
      touch(id: string, session: Any, callback: unknown) {
        storeCalls.push(`touch ${id} ${JSON.stringify(session)}`)
        const text = records.get(id)
        if (text) records.set(id, JSON.stringify({ ...JSON.parse(text), cookie: session.cookie }))
        answer(callback)
      },
    })
  }
  return new TestStore() as Any
}

function signed(value: string, secret: string | undefined): string {
  return `${value}.${createHmac('sha256', secret ?? '')
    .update(value)
    .digest('base64')
    .replace(/=+$/, '')}`
}

function cookieHeader(
  plan: CookiePlan,
  name: string,
  fromJar: string | undefined,
  id: string | undefined,
  secrets: string[],
): string | undefined {
  const good = `${name}=${fromJar ?? 'nothing'}`
  const make = (value: string, secret: string | undefined) =>
    `${name}=${encodeURIComponent(`s:${signed(value, secret)}`)}`
  const newest = id ?? 'id-0'
  const bad = `${name}=${encodeURIComponent(`s:${newest}.AAAA`)}`
  switch (plan) {
    case 'jar':
      return fromJar === undefined ? undefined : `other=1; ${good}; more=a%20b`
    case 'forged':
      return bad
    case 'unknown':
      return make('never-issued', secrets[0])
    case 'foreign':
      return make(newest, 'of another app')
    case 'older-secret':
      return make(newest, secrets.at(-1))
    case 'unsigned':
      return `${name}=${newest}`
    case 'quoted':
      return `${name}="${encodeURIComponent(`s:${signed(newest, secrets[0])}`)}"`
    case 'unencoded':
      return `a=b;${name} = s:${signed(newest, secrets[0])} ;c`
    case 'good-then-bad':
      return `${good}; ${bad}`
    case 'bad-then-good':
      return `${bad}; ${good}`
    case 'garbage':
      return `;;=; ${name}; %%%=${name}=; ${name}=s%3A%E0%A4%A; ${name}`
    case 'empty-id':
      return make('', secrets[0])
    default:
      return undefined
  }
}

async function perform(
  step: Step,
  request: Any,
  { log, records }: { log: string[]; records: Map<string, string> },
): Promise<void> {
  const session = request.session
  switch (step.kind) {
    case 'pause':
      return nextTurn()
    case 'null':
      request.session = null
      return
    case 'delete':
      delete request.session
      return
    case 'sessionID':
      request.sessionID = { function: () => {}, undefined: undefined, other: 'another-id' }[step.value]
      return
    case 'observe':
      log.push(describe(request))
      return
    case 'storedMeanwhile':
      changeStored(step.change, request.sessionID, records)
      return
  }
  if (!session) {
    log.push(`no session to ${step.kind}`)
    return
  }
  switch (step.kind) {
    case 'set':
      session[step.name] = step.value
      return
    case 'increment':
      session[step.name] = (Number(session[step.name]) || 0) + 1
      return
    case 'remove':
      delete session[step.name]
      return
    case 'nest':
      session.nested ??= { list: [] }
      session.nested.list.push(session.nested.list.length)
      return
    case 'touch':
    case 'resetMaxAge':
      log.push(`${step.kind} returns itself: ${session[step.kind]() === session}`)
      return
    case 'regenerate':
    case 'destroy':
    case 'reload':
    case 'save':
      await new Promise<void>((resolve) => {
        session[step.kind]((error: Any) => {
          log.push(`${step.kind}: ${error ? error.message : 'done'}`)
          resolve()
        })
      })
      return
    case 'maxAge':
      session.cookie.maxAge = step.value
      return
    case 'expires':
      session.cookie.expires = typeof step.value === 'number' ? new Date(Date.now() + step.value) : step.value
      return
    case 'cookieAttribute':
      session.cookie[step.name] = step.value
  }
}

function describe(request: Any): string {
  const { session } = request
  if (!session) return `session: ${session}, id: ${String(request.sessionID)}`
  return JSON.stringify({
    id: session.id,
    sessionID: String(request.sessionID),
    session,
    keys: Object.keys(session),
    cookie: Object.keys(session.cookie),
    maxAge: session.cookie.maxAge,
    expires: String(session.cookie.expires),
    line: attempt(() => session.cookie.serialize('name', 'välue')),
    request: session.req === request,
    enumerable: Object.entries({ ...session }).length,
  })
}

function attempt<T>(run: () => T): T | string {
  try {
    return run()
  } catch (error) {
    return (error as Error).message
  }
}

function changeStored(change: string, id: unknown, records: Map<string, string>): void {
  const text = records.get(String(id))
  if (text === undefined) return
  const record = JSON.parse(text)
  if (change === 'remove') records.delete(String(id))
  if (change === 'add') record.added = { by: 'another request' }
  if (change === 'reserved') Object.assign(record, { save: 'no method', id: 'of the record', toString: 1 })
  if (change === 'expire') record.cookie.expires = new Date(Date.now() - 1).toISOString()
  if (change !== 'remove') records.set(String(id), JSON.stringify(record))
}

async function respond(plan: ResponsePlan, request: Any, response: ServerResponse, next: Next): Promise<void> {
  const text = 'hello, wörld'
  switch (plan.kind) {
    case 'end': {
      response.statusCode = plan.status
      const body = {
        none: undefined,
        null: null,
        text,
        buffer: Buffer.from(text),
        base64: Buffer.from(text).toString('base64'),
      }
      const chunk = body[plan.body]
      if (plan.length) response.setHeader('Content-Length', chunk ? Buffer.byteLength(text) : 0)
      if (plan.body === 'none') response.end()
      else if (plan.body === 'base64') response.end(chunk, 'base64')
      else response.end(chunk)
      return
    }
    case 'stream': {
      if (plan.length) response.setHeader('Content-Length', Buffer.byteLength(text) * plan.chunks)
      for (let index = 0; index < plan.chunks - 1; index++) {
        response.write(text)
        if (plan.pause) await nextTurn()
      }
      response.end(text)
      return
    }
    case 'writeHead': {
      const headers: [string, string][] = [['X-Head', 'written']]
      if (plan.cookie) headers.push(['Set-Cookie', 'mine=1; Path=/'])
      if (plan.headers === 'none') response.writeHead(plan.status, 'Fine')
      else if (plan.headers === 'object') response.writeHead(plan.status, Object.fromEntries(headers))
      else response.writeHead(plan.status, headers.flat())
      response.end(text)
      return
    }
    case 'flush':
      response.flushHeaders()
      response.write(text)
      response.end()
      return
    case 'twice':
      response.end(text)
      // Where there is no session, Node's own rule holds: it would end the process.
      if (request.sessionStore) response.end('again')
      return
    case 'cookieBefore':
      response.setHeader('Set-Cookie', plan.several ? ['one=1', 'two=2'] : 'one=1')
      response.end(request.method)
      return
    case 'error':
      next(new Error('of the handler'))
  }
}
