/** What a store from npm has to do under the drop-in, and what a visitor sees of it. */
import express from 'express'
import original from 'express-session'
import session, { fromConnectStore, toConnectStore } from 'sojourn/express-session'
import request from 'supertest'
import { afterAll, beforeAll, expect, test } from 'vitest'

// biome-ignore lint/suspicious/noExplicitAny: a store comes with typings of its own, or with none.
type Any = any

export interface ThirdPartyStore {
  /** Makes the store with the package that it is handed, as its README says. */
  make(lib: Any): Any
  start?(): Promise<unknown>
  stop?(): Promise<unknown>
}

/** An app as the tutorials have it, on the package that it is handed. */
function app(lib: Any, store: Any, options: object = {}) {
  const server = express()
  server.use(lib({ secret: 'keyboard cat', resave: false, saveUninitialized: false, store, ...options }))
  server.get('/set/:name/:value', (req, res) => {
    Object.assign(req.session, { [req.params.name]: req.params.value })
    // With express-session a redirect may outrun the session; its README says to save first.
    if (lib === original) req.session.save(() => res.redirect('/'))
    else res.redirect('/')
  })
  server.get('/regenerate', (req, res, next) => {
    req.session.regenerate((error) => {
      if (error) return next(error)
      Object.assign(req.session, { fresh: true })
      req.session.save((failure) => (failure ? next(failure) : res.redirect('/')))
    })
  })
  server.get('/reload', (req, res, next) => {
    Object.assign(req.session, { unsaved: true })
    req.session.reload((error) => (error ? next(error) : res.redirect('/')))
  })
  server.get('/destroy', (req, res, next) => {
    req.session.destroy((error) => (error ? next(error) : res.end()))
  })
  server.get('/', (req, res) => {
    const { cookie: _, ...values } = req.session as Any
    for (const name of Object.keys(values)) if (name.startsWith('__')) delete values[name]
    res.json(values)
  })
  return server
}

/** A browser that keeps its cookies when the app behind it is exchanged. */
function browser() {
  const jar = request.agent(express()).jar
  return {
    async get(server: express.Express, path: string) {
      const agent = request.agent(server)
      agent.jar = jar
      const response = await agent.get(path).redirects(1)
      if (response.status !== 200) throw new Error(`${path}: ${response.status} ${response.text.slice(0, 300)}`)
      return response.body
    },
  }
}

export function worksAsBefore({ make, start, stop }: ThirdPartyStore): void {
  let store: Any

  beforeAll(async () => {
    await start?.()
    store = make(session)
    // express-mysql-session makes its table first.
    await store.onReady?.()
  })
  afterAll(async () => {
    await stop?.()
  })

  test('a session is kept, reloaded, regenerated and ended', async () => {
    const server = app(session, store)
    const { get } = browser()
    expect(await get(server, '/set/name/ada')).toEqual({ name: 'ada' })
    expect(await get(server, '/set/cart/book')).toEqual({ name: 'ada', cart: 'book' })
    expect(await get(server, '/reload')).toEqual({ name: 'ada', cart: 'book' })
    expect(await get(server, '/regenerate')).toEqual({ fresh: true })
    await get(server, '/destroy')
    expect(await get(server, '/')).toEqual({})
  })

  test('a session lasts as long as its cookie says', async () => {
    const server = app(session, store, { cookie: { maxAge: 60_000 }, rolling: true, resave: true })
    const { get } = browser()
    await get(server, '/set/name/ada')
    for (let visit = 0; visit < 3; visit++) expect(await get(server, '/')).toEqual({ name: 'ada' })
  })

  test('a session that was only touched for a while is found by the bridge', async () => {
    const sid = 'touched'
    const sessionFor = (maxAge: number) => ({ cookie: new session.Cookie({ maxAge }), name: 'ada' })
    const call = (run: (done: (error: unknown, result?: Any) => void) => void): Promise<Any> =>
      new Promise((resolve, reject) => run((error, result) => (error ? reject(error) : resolve(result))))
    await call((done) => store.set(sid, sessionFor(60_000), done))
    await call((done) => store.touch(sid, sessionFor(120_000), done))
    const clock = () => Date.now() + 61_000
    const bridge = toConnectStore(fromConnectStore(store, { clock }), { clock })
    expect(await call((done) => bridge.get(sid, done))).toMatchObject({ name: 'ada' })
  })

  test('a visitor moves from express-session and back without noticing', async () => {
    const [before, after] = [app(original, make(original)), app(session, store)]
    const { get } = browser()
    await get(before, '/set/name/ada')
    expect(await get(after, '/')).toEqual({ name: 'ada' })
    await get(after, '/set/cart/book')
    expect(await get(before, '/')).toEqual({ name: 'ada', cart: 'book' })
    await get(before, '/set/name/grace')
    expect(await get(after, '/')).toEqual({ name: 'grace', cart: 'book' })
    await get(after, '/destroy')
    expect(await get(before, '/')).toEqual({})
  })

  test('methods without a callback are promises', async () => {
    const server = express()
    server.use(session({ secret: 's', resave: false, saveUninitialized: false, store }))
    server.get('/', async (req, res) => {
      Object.assign(req.session, { name: 'ada' })
      await req.session.save()
      await req.session.reload()
      const { id } = req.session
      await req.session.regenerate()
      const kinds = [(req.session as Any).name === undefined, req.session.id !== id]
      await req.session.destroy()
      res.json([...kinds, req.session === undefined])
    })
    const { body, text } = await request(server).get('/')
    expect(body, text).toEqual([true, true, true])
  })
}
