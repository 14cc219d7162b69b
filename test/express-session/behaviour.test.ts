/** What express-session's documentation and its users rely on, shown to hold for both packages. */
import { EventEmitter } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { inherits } from 'node:util'
import cookieParser from 'cookie-parser'
import original from 'express-session'
import session from 'sojourn/express-session'
import request from 'supertest'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'

// biome-ignore lint/suspicious/noExplicitAny: both packages go through here, each with typings of its own.
type Any = any

const deprecations: string[] = []
const noteDeprecation = (error: Error) => deprecations.push(error.message)

beforeEach(() => {
  deprecations.length = 0
  process.on('deprecation' as 'warning', noteDeprecation)
})

afterEach(() => {
  process.off('deprecation' as 'warning', noteDeprecation)
  vi.unstubAllEnvs()
})

describe.each<[string, Any]>([
  ['express-session', original],
  ['sojourn/express-session', session],
])('%s', (_name, lib) => {
  /** A server whose requests pass `before`, the middleware and `respond`. */
  function app(options: Any, respond: (req: Any, res: Any) => void, before: (req: Any, res: Any) => void = () => {}) {
    const middleware = lib({ secret: 'keyboard cat', resave: false, saveUninitialized: true, ...options })
    const errors: string[] = []
    const listener: RequestListener = (req: IncomingMessage, res: ServerResponse) => {
      before(req, res)
      middleware(req, res, (error?: Error) => {
        if (error && res.headersSent) errors.push(error.message)
        else if (error) {
          res.statusCode = 500
          res.end(error.message)
        } else respond(req, res)
      })
    }
    return Object.assign(request(createServer(listener)), { errors })
  }

  const setCookie = (response: { headers: Any }): string => response.headers['set-cookie']?.join('\n') ?? ''
  const pair = (response: { headers: Any }): string => setCookie(response).split(';')[0] as string
  const until = (done: () => boolean) => vi.waitFor(() => expect(done()).toBe(true))

  describe('options', () => {
    test('wrong ones are refused', () => {
      expect(() => lib({ genid: 'bob' })).toThrow(new TypeError('genid option must be a function'))
      expect(() => lib({ unset: 'bogus' })).toThrow(new TypeError('unset option must be "destroy" or "keep"'))
      expect(() => lib({ secret: [] })).toThrow(new TypeError('secret option array must contain one or more strings'))
    })

    test('what ought to be given is asked for', () => {
      lib()
      expect(deprecations).toEqual([
        'undefined resave option; provide resave option',
        'undefined saveUninitialized option; provide saveUninitialized option',
        'req.secret; provide secret option',
      ])
    })

    test('a MemoryStore in production is warned of', () => {
      const warn = vi.spyOn(console, 'warn').mockReturnValue()
      if (lib === session) {
        vi.stubEnv('NODE_ENV', 'production')
        lib({ secret: 's', resave: false, saveUninitialized: false })
        expect(warn.mock.calls).toEqual([
          [
            'Warning: connect.session() MemoryStore is not\ndesigned for a production environment, as it will leak\nmemory, and will not scale past a single process.',
          ],
        ])
      }
      warn.mockRestore()
    })

    test('without a secret a request fails', async () => {
      await app({ secret: undefined }, (_req, res) => res.end())
        .get('/')
        .expect(500, 'secret option required for sessions')
    })

    test('the secret of the request is the last resort', async () => {
      const store = new lib.MemoryStore()
      const options = { secret: undefined, store }
      const server = app(
        options,
        (req, res) => res.end(req.session.id),
        (req) => {
          req.secret = 'of the request'
        },
      )
      const first = await server.get('/').expect(200)
      await server.get('/').set('Cookie', pair(first)).expect(200, first.text)
    })

    test.each([
      ['a Buffer', Buffer.from('bytes')],
      ['a typed array', new Uint8Array([1, 2, 3])],
      ['one letter', 'x'],
      ['an empty string in an array', ['', 'other']],
    ])('%s is a secret', async (_kind, secret) => {
      const server = app({ secret }, (req, res) => res.end(req.session.id))
      const first = await server.get('/').expect(200)
      await server.get('/').set('Cookie', pair(first)).expect(200, first.text)
    })

    test('a secret that is null in an array is refused by each request', async () => {
      const middleware = lib({ secret: [null], resave: false, saveUninitialized: false })
      const headers = { cookie: 'connect.sid=s:a.b' }
      expect(() => middleware({ url: '/', headers }, { writeHead() {} }, () => {})).toThrow(
        new TypeError('Secret key must be provided.'),
      )
    })

    test('genid is given the request, and its id is encoded', async () => {
      const genid = (req: Any) => `${req.url}:%=,`
      const response = await app({ genid }, (req, res) => res.end(req.sessionID))
        .get('/path')
        .expect(200, '/path:%=,')
      expect(pair(response)).toMatch(/^connect\.sid=s%3A%2Fpath%3A%25%3D%2C\.[\w%-]+$/)
    })

    test('ids are 32 characters of base64url', async () => {
      const { text } = await app({}, (req, res) => res.end(req.sessionID)).get('/')
      expect(text).toMatch(/^[\w-]{32}$/)
    })

    test('key is another word for name, and name wins', async () => {
      const end = (_req: Any, res: Any) => res.end()
      expect(pair(await app({ key: 'old' }, end).get('/'))).toMatch(/^old=/)
      expect(pair(await app({ key: 'old', name: 'new' }, end).get('/'))).toMatch(/^new=/)
    })

    test('a cookie that cannot be written is reported, and the response goes out', async () => {
      const server = app({ cookie: { expires: new Date(Number.NaN) } }, (_req, res) => res.end('hello'))
      const response = await server.get('/').expect(200, 'hello')
      expect(setCookie(response)).toBe('')
      await until(() => server.errors.length > 0)
      expect(server.errors).toEqual(['option expires is invalid'])
    })
  })

  describe('a request', () => {
    test('that has a session already is passed on', async () => {
      const server = app(
        {},
        (req, res) => res.end(String(req.session)),
        (req) => {
          req.session = 'mine'
        },
      )
      expect(setCookie(await server.get('/').expect(200, 'mine'))).toBe('')
    })

    test('with an empty url has a session', async () => {
      const server = app(
        {},
        (_req, res) => res.end(),
        (req) => {
          req.url = ''
        },
      )
      expect(pair(await server.get('/'))).toMatch(/^connect\.sid=/)
    })

    test.each(['synchronous', 'later'])('whose session cannot be read fails, %s', async (when) => {
      const store = new lib.MemoryStore()
      const server = app({ store }, (_req, res) => res.end('fine'))
      const first = await server.get('/')
      store.get = (_id: string, callback: (error: Error) => void) => {
        if (when === 'later') setImmediate(callback, new Error('boom!'))
        else callback(new Error('boom!'))
      }
      await server.get('/').set('Cookie', pair(first)).expect(500, 'boom!')
    })

    test.each(['set', 'touch', 'destroy'])('whose %s fails is answered, and the error reported', async (method) => {
      const store = new lib.MemoryStore()
      const server = app({ store, unset: 'destroy' }, (req, res) => {
        if (method === 'set') req.session.changed = Math.random()
        if (method === 'destroy') req.session = null
        res.end('answered')
      })
      const first = await server.get('/')
      store[method] = (...args: Any[]) => args.at(-1)(new Error('boom!'))
      await server.get('/').set('Cookie', pair(first)).expect(200, 'answered')
      await until(() => server.errors.length > 0)
      expect(server.errors).toEqual(['boom!'])
    })

    test.each(['before', 'after'])('whose response is patched %s', async (when) => {
      const patch = (_req: Any, res: Any) => {
        const { write, end } = res
        let ended = false
        res.end = function (...args: Any[]) {
          ended = true
          return end.apply(this, args)
        }
        res.write = function (...args: Any[]) {
          if (ended) throw new Error('write after end')
          return write.apply(this, args)
        }
      }
      const respond = (req: Any, res: Any) => {
        if (when === 'after') patch(req, res)
        req.session.hit = true
        res.write('hello, ')
        res.end('world')
      }
      await app({}, respond, when === 'before' ? patch : undefined)
        .get('/')
        .expect(200, 'hello, world')
    })

    test('that was stored under reserved names keeps its methods', async () => {
      const store = new lib.MemoryStore()
      const server = app({ store }, (req, res) => {
        req.session.seen = true
        res.end(typeof req.session.save)
      })
      const first = await server.get('/').expect(200, 'function')
      const [id] = Object.keys(store.sessions)
      store.sessions[id as string] = JSON.stringify({ ...JSON.parse(store.sessions[id as string]), save: 'nope' })
      await server.get('/').set('Cookie', pair(first)).expect(200, 'function')
    })

    test('finds its session in what cookie-parser read, which is deprecated', async () => {
      const store = new lib.MemoryStore()
      const parse = cookieParser('keyboard cat')
      let isStripped = false
      const server = app(
        { store },
        (req, res) => res.end(req.session.id),
        (req, res) => {
          parse(req, res, () => {})
          if (isStripped) delete req.headers.cookie
        },
      )
      const first = await server.get('/')
      isStripped = true
      await server.get('/').set('Cookie', pair(first)).expect(200, first.text)
      expect(deprecations).toContain('cookie should be available in req.headers.cookie')
    })
  })

  describe('a session', () => {
    test('tells only its values and its cookie', async () => {
      const server = app({}, (req, res) => {
        req.session.one = 1
        const seen = []
        for (const name in req.session) seen.push(name)
        res.end(JSON.stringify([seen, Object.keys(req.session), Object.keys(JSON.parse(JSON.stringify(req.session)))]))
      })
      const names = ['cookie', 'one']
      await server.get('/').expect(200, JSON.stringify([names, names, names]))
    })

    test('has an id that cannot be changed', async () => {
      const server = app({}, (req, res) => {
        const { id } = req.session
        expect(() => {
          req.session.id = 'mine'
        }).toThrow(TypeError)
        res.end(String(req.session.id === id && id === req.sessionID))
      })
      await server.get('/').expect(200, 'true')
    })

    test('that is gone cannot be reloaded', async () => {
      const store = new lib.MemoryStore()
      const server = app({ store }, (req, res) => {
        req.session.save(() => {
          store.clear()
          req.session.reload((error: Error) => res.end(error.message))
        })
      })
      await server.get('/').expect(200, 'failed to load session')
    })

    test('is reloaded as another object, whose changes are saved', async () => {
      const store = new lib.MemoryStore()
      const server = app({ store }, (req, res) => {
        const before = req.session
        before.unsaved = true
        before.cookie.maxAge = 60_000
        if (!before.count) before.count = 1
        const reload = () =>
          req.session.reload(() => {
            req.session.count++
            res.end(JSON.stringify([before === req.session, req.session.unsaved, req.session.count]))
          })
        if (before.count > 1) reload()
        else before.save(reload)
      })
      const first = await server.get('/').expect(200, '[false,true,2]')
      await server.get('/').set('Cookie', pair(first)).expect(200, '[false,true,3]')
    })

    test.each<[string, (req: Any, done: () => void) => void, string[]]>([
      [
        'twice at once',
        (req, done) => {
          const before = req.session
          before.reload(() => {})
          before.reload(() => {
            req.session.more = 1
            req.session.save(done)
          })
        },
        ['set', 'touch'],
      ],
      [
        'and saved as what it was',
        (req, done) => {
          const before = req.session
          before.reload(() => {
            before.more = 1
            before.save(done)
          })
        },
        ['set', 'set'],
      ],
    ])('reloaded %s is stored once more only where it differs', async (_how, act, expected) => {
      const store = new lib.MemoryStore()
      const server = app({ store, saveUninitialized: false }, (req, res) => {
        if (req.session.count) act(req, () => res.end())
        else {
          req.session.count = 1
          res.end()
        }
      })
      const first = await server.get('/').expect(200)
      const calls: string[] = []
      for (const name of ['set', 'touch']) {
        const call = store[name]
        store[name] = function (...given: unknown[]) {
          calls.push(name)
          return Reflect.apply(call, this, given)
        }
      }
      await server.get('/').set('Cookie', pair(first)).expect(200)
      expect(calls).toEqual(expected)
    })

    test('regenerated has another id and no values', async () => {
      const server = app({}, (req, res) => {
        const { id } = req.session
        req.session.old = true
        req.session.regenerate((error: unknown) => {
          res.end(JSON.stringify([error ?? null, req.session.id === id, req.session.old ?? null]))
        })
      })
      await server.get('/').expect(200, '[null,false,null]')
    })

    test('is absent while the store is disconnected, and back when it is connected', async () => {
      const store = new lib.MemoryStore()
      const server = app({ store }, (req, res) => res.end(typeof req.session))
      await server.get('/').expect('object')
      store.emit('disconnect')
      await server.get('/').expect('undefined')
      store.emit('connect')
      await server.get('/').expect('object')
    })
  })

  describe('Cookie', () => {
    test('has defaults, and keeps what it is given but for data', () => {
      const cookie = new lib.Cookie({ path: '/foo', data: { leaked: true }, anything: 1 })
      expect(cookie).toMatchObject({ path: '/foo', httpOnly: true, maxAge: null, originalMaxAge: null, anything: 1 })
      expect(cookie.data).not.toHaveProperty('leaked')
      expect(new lib.Cookie().expires).toBe(null)
      expect(() => new lib.Cookie(42)).toThrow(new TypeError('argument options must be a object'))
    })

    test('turns maxAge into expires and back', () => {
      vi.useFakeTimers({ toFake: ['Date'], now: 1_000_000 })
      const cookie = new lib.Cookie({ maxAge: 60_000 })
      expect(cookie.expires).toEqual(new Date(1_060_000))
      vi.setSystemTime(1_010_000)
      expect([cookie.maxAge, cookie.originalMaxAge]).toEqual([50_000, 60_000])
      cookie.expires = new Date(1_020_000)
      expect([cookie.maxAge, cookie.originalMaxAge]).toEqual([10_000, 10_000])
      cookie.expires = false
      expect(cookie.maxAge).toBe(false)
      vi.useRealTimers()
    })

    test('takes a Date as maxAge, which is deprecated, and nothing else', () => {
      const cookie = new lib.Cookie({ maxAge: new Date(9e12) })
      expect(cookie.expires).toEqual(new Date(9e12))
      expect(deprecations).toContain('maxAge as Date; pass number of milliseconds instead')
      for (const wrong of ['42', true, () => {}]) {
        expect(() => {
          cookie.maxAge = wrong
        }).toThrow(new TypeError('maxAge must be a number or Date'))
      }
    })

    test.each([
      [{}, 'sid=v%C3%A4; Path=/; HttpOnly'],
      [{ secure: true, httpOnly: false, path: undefined }, 'sid=v%C3%A4; Secure'],
      [
        { expires: new Date(0), domain: 'example.com' },
        'sid=v%C3%A4; Domain=example.com; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly',
      ],
      [
        { partitioned: true, priority: 'HIGH', sameSite: true },
        'sid=v%C3%A4; Path=/; HttpOnly; Partitioned; Priority=High; SameSite=Strict',
      ],
      [{ sameSite: 'NoNe', priority: 'medium' }, 'sid=v%C3%A4; Path=/; HttpOnly; Priority=Medium; SameSite=None'],
    ])('is written as %j', (options, expected) => {
      expect(new lib.Cookie(options).serialize('sid', 'vä')).toBe(expected)
    })

    test.each([
      [{ domain: 'a b' }, 'option domain is invalid'],
      [{ path: '/\n' }, 'option path is invalid'],
      [{ sameSite: 'x' }, 'option sameSite is invalid'],
      [{ priority: 'x' }, 'option priority is invalid'],
      [{ expires: 'tomorrow' }, 'option expires is invalid'],
    ])('%j cannot be written', (options, message) => {
      expect(() => new lib.Cookie(options).serialize('sid', 'v')).toThrow(new TypeError(message))
    })

    test('has a name that is a token', () => {
      for (const name of ['a b', 'a:b', 'a/b', '', 'ä', '(a)']) {
        expect(() => new lib.Cookie().serialize(name, 'v')).toThrow(new TypeError('argument name is invalid'))
      }
    })

    test('copied from another keeps to it', () => {
      vi.useFakeTimers({ toFake: ['Date'] })
      onTestFinished(() => void vi.useRealTimers())
      const cookie = new lib.Cookie({ maxAge: 1000, secure: true })
      const copy = new lib.Cookie(cookie)
      expect(JSON.stringify(copy)).toBe(JSON.stringify(cookie))
      expect(Object.keys(copy)).toEqual([
        'path',
        '_expires',
        'originalMaxAge',
        'httpOnly',
        'secure',
        'serialize',
        'toJSON',
      ])
    })
  })

  describe('MemoryStore', () => {
    const cookie = { path: '/', httpOnly: true, originalMaxAge: null, expires: null }
    const call = (store: Any, method: string, ...args: unknown[]) =>
      new Promise((resolve, reject) => {
        let isSynchronous = true
        store[method](...args, (error: unknown, result: unknown) => {
          if (isSynchronous) reject(new Error('called back at once'))
          else if (error) reject(error)
          else resolve(result)
        })
        isSynchronous = false
      })

    test('keeps JSON text under the id', async () => {
      const store = new lib.MemoryStore()
      await call(store, 'set', 'one', { cookie, views: 1 })
      expect(store.sessions).toEqual({ one: JSON.stringify({ cookie, views: 1 }) })
      expect(await call(store, 'get', 'one')).toEqual({ cookie, views: 1 })
      expect(await call(store, 'get', 'two')).toBe(undefined)
    })

    test('counts, lists and clears', async () => {
      const store = new lib.MemoryStore()
      await call(store, 'set', 'one', { cookie })
      await call(store, 'set', 'two', { cookie })
      await call(store, 'set', 'gone', { cookie: { ...cookie, expires: new Date(1).toISOString() } })
      expect(await call(store, 'length')).toBe(2)
      expect(Object.keys((await call(store, 'all')) as object)).toEqual(['one', 'two'])
      await call(store, 'destroy', 'one')
      expect(await call(store, 'length')).toBe(1)
      await call(store, 'clear')
      expect(await call(store, 'length')).toBe(0)
    })

    test.each([null, '2030-01-01T00:00:00.000Z'])('touches a cookie that expired %s', async (expires) => {
      const store = new lib.MemoryStore()
      await call(store, 'set', 'one', { cookie: { ...cookie, expires }, views: 1 })
      const later = { ...cookie, expires: '2031-01-01T00:00:00.000Z' }
      await call(store, 'touch', 'one', { cookie: later, views: 2 })
      expect(await call(store, 'get', 'one')).toEqual({ cookie: later, views: 1 })
      await call(store, 'touch', 'one', { cookie, views: 2 })
      expect(await call(store, 'get', 'one')).toEqual({ cookie, views: 1 })
      await call(store, 'touch', 'none', { cookie })
      expect(await call(store, 'length')).toBe(1)
    })

    test('does not revive by a touch what has expired', async () => {
      const store = new lib.MemoryStore()
      await call(store, 'set', 'one', { cookie: { ...cookie, expires: new Date(1).toISOString() } })
      await call(store, 'touch', 'one', { cookie })
      expect(await call(store, 'get', 'one')).toBe(undefined)
    })

    test('works without callbacks', () => {
      const store = new lib.MemoryStore()
      store.set('one', { cookie })
      store.touch('one', { cookie })
      store.destroy('one')
      store.all()
      store.clear()
    })
  })

  describe('Store', () => {
    test('is an emitter that ES5 code calls on its own objects', () => {
      function Mine(this: Any) {
        lib.Store.call(this)
        this.mine = true
      }
      inherits(Mine, lib.Store)
      const store = new (Mine as Any)()
      expect(store).toBeInstanceOf(lib.Store)
      expect(store).toBeInstanceOf(EventEmitter)
      expect(Object.keys(lib.Store.prototype)).toEqual(['regenerate', 'load', 'createSession'])
    })

    test('is what classes extend, as is MemoryStore', () => {
      class Mine extends lib.Store {}
      class MyMemory extends lib.MemoryStore {}
      expect(new Mine()).toBeInstanceOf(lib.Store)
      const memory = new MyMemory() as Any
      expect(memory).toBeInstanceOf(lib.Store)
      expect(memory.sessions).toEqual({})
      function Old(this: Any) {
        lib.MemoryStore.call(this)
      }
      inherits(Old, lib.MemoryStore)
      expect(new (Old as Any)().sessions).toEqual({})
    })

    test('makes a session of a record', () => {
      const store = new lib.MemoryStore()
      const req: Any = { sessionID: 'id' }
      const cookie = { expires: '2030-01-01T00:00:00.000Z', originalMaxAge: 5, path: '/x' }
      const made = store.createSession(req, { cookie, foo: 'bar' })
      expect(made).toBe(req.session)
      expect(made).toBeInstanceOf(lib.Session)
      expect(made.cookie).toBeInstanceOf(lib.Cookie)
      expect(made).toMatchObject({ id: 'id', foo: 'bar' })
      expect(made.cookie).toMatchObject({
        expires: new Date('2030-01-01'),
        originalMaxAge: 5,
        path: '/x',
        httpOnly: true,
      })
    })

    test('loads a session outside of a request', async () => {
      const store = new lib.MemoryStore()
      store.set('id', { cookie: { originalMaxAge: null }, foo: 'bar' })
      const load = (id: string) =>
        new Promise<Any>((resolve, reject) => {
          store.load(id, (error: unknown, loaded: Any) => (error ? reject(error) : resolve(loaded)))
        })
      const loaded = await load('id')
      expect([loaded.id, loaded.foo, loaded.cookie.path]).toEqual(['id', 'bar', '/'])
      await new Promise((resolve) => loaded.save(resolve))
      expect(await load('other')).toBe(undefined)
      const told = await new Promise<unknown[]>((resolve) =>
        store.load('other', (...given: unknown[]) => resolve(given)),
      )
      expect(told).toEqual([])
    })

    test('reloads a session outside of a request, as for a WebSocket', async () => {
      const store = new lib.MemoryStore()
      store.set('id', { cookie: { originalMaxAge: null }, foo: 'before' })
      const loaded = await new Promise<Any>((resolve) => store.load('id', (_: unknown, found: Any) => resolve(found)))
      store.set('id', { cookie: { originalMaxAge: null }, foo: 'after' })
      await new Promise((resolve) => loaded.reload(resolve))
      expect(loaded.req.session.foo).toBe('after')
    })
  })

  describe('Session', () => {
    test('takes values but no other types of data, and keeps its methods', () => {
      const req = { sessionID: 'id' }
      expect(Object.keys(new lib.Session(req, { foo: 1, save: 2, id: 3 }))).toEqual(['foo'])
      for (const none of [undefined, null, 'text', 5]) expect(Object.keys(new lib.Session(req, none))).toEqual([])
    })

    test('has methods that nobody counts and everybody may replace', () => {
      const methods = ['touch', 'resetMaxAge', 'save', 'reload', 'destroy', 'regenerate']
      for (const method of methods) {
        expect(Object.getOwnPropertyDescriptor(lib.Session.prototype, method)).toMatchObject({
          configurable: true,
          enumerable: false,
          writable: true,
        })
      }
    })

    test('is extended by classes and by ES5 code', () => {
      class Mine extends lib.Session {}
      expect(new (Mine as Any)({ sessionID: 'id' }).id).toBe('id')
      const own = Object.create(lib.Session.prototype)
      lib.Session.call(own, { sessionID: 'id' }, { foo: 1 })
      expect([own.id, own.foo]).toEqual(['id', 1])
      const cookie = Object.create(lib.Cookie.prototype)
      lib.Cookie.call(cookie, { maxAge: 1000 })
      expect(cookie.originalMaxAge).toBeGreaterThan(900)
    })
  })
})
