/**
 * What the generated sequences do not come to: both packages do the same thing, step by step, and what it shows is compared.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { EventEmitter } from 'node:events'
import { createServer, get, type IncomingMessage, type Server, ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { inherits, inspect } from 'node:util'
import original from 'express-session'
import ours from 'sojourn/express-session'
import { afterEach, describe, expect, test, vi } from 'vitest'

// biome-ignore lint/suspicious/noExplicitAny: both packages go through here, each with typings of its own.
type Any = any
type Respond = (req: Any, res: Any, fail: (error?: Any) => void) => void

const onHeaders: (response: unknown, listener: () => void) => void = createRequire(import.meta.url)('on-headers')

const servers: Server[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})

interface Played {
  status: number | undefined
  setCookie: string[]
  headers: { [name: string]: unknown }
  body: string
  errors: string[]
}

/** Plays requests one after the other, as one browser, and tells what came back. */
async function play(lib: Any, options: Any, respond: Respond, requests = 1, headers: object = {}): Promise<Played[]> {
  let count = 0
  const genid = () => `id-${++count}`
  const middleware = lib({ secret: 'keyboard cat', resave: false, saveUninitialized: true, genid, ...options })
  let errors: string[] = []
  const server = createServer((req, res) => {
    const fail = (error?: Error) => {
      errors.push(`${error?.message}${res.headersSent ? ', sent' : ''}`)
      if (!res.headersSent) res.writeHead(500).end('failed')
    }
    middleware(req, res, (error?: Error) => {
      if (error) return fail(error)
      try {
        respond(req, res, fail)
      } catch (thrown) {
        fail(thrown as Error)
      }
    })
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const played: Played[] = []
  let cookie = ''
  for (let number = 0; number < requests; number++) {
    errors = []
    const outgoing = { port, host: '127.0.0.1', headers: { ...headers, ...(cookie && { cookie }) } }
    const answer = await new Promise<Played>((resolve) => {
      const request = get(outgoing, async (incoming: IncomingMessage) => {
        let body = ''
        for await (const chunk of incoming) body += chunk
        const { date: _d, connection: _c, 'keep-alive': _k, ...rest } = incoming.headers
        const { 'transfer-encoding': _t, 'content-length': _l, 'set-cookie': setCookie = [], ...others } = rest
        resolve({ status: incoming.statusCode, setCookie, headers: others, body, errors })
      })
      request.setTimeout(300, () => request.destroy())
      request.on('error', () => resolve({ status: undefined, setCookie: [], headers: {}, body: 'hangs', errors }))
    })
    await new Promise((resolve) => setTimeout(resolve, 5))
    cookie = answer.setCookie.at(-1)?.split(';')[0] ?? cookie
    played.push(answer)
  }
  return played
}

/** Does the same with both. */
function same(title: string, run: (lib: Any) => unknown): void {
  test(title, async () => {
    const [theirs, mine] = [await run(original), await run(ours)]
    expect(mine).toEqual(theirs)
    // A comparison of nothing with nothing shows nothing.
    expect(theirs).toBeDefined()
  })
}

const say = (req: Any, res: Any) => res.end(JSON.stringify([req.sessionID, req.session]))

describe('the request', () => {
  same('may have its session exchanged for another object', (lib) =>
    play(
      lib,
      {},
      (req, res) => {
        const { session } = req
        if (req.session.swapped) return say(req, res)
        req.session = new lib.Session(req, { cookie: session.cookie, swapped: true })
        res.end()
      },
      2,
    ),
  )

  same('may have its session exchanged for another one of its store', (lib) => {
    const store = new lib.MemoryStore()
    return play(
      lib,
      { store },
      (req, res) => {
        if (req.session.other) return say(req, res)
        store.createSession(req, { cookie: { originalMaxAge: null }, other: 1 })
        res.end(String(Object.keys(store.sessions)))
      },
      2,
    )
  })

  same('may be generated a session by its store', (lib) =>
    play(
      lib,
      {},
      (req, res) => {
        if (req.session.views) return say(req, res)
        req.sessionStore.generate(req)
        req.session.views = 1
        res.end(req.session.id)
      },
      2,
    ),
  )

  same('may be given another id', (lib) => {
    const store = new lib.MemoryStore()
    return play(
      lib,
      { store },
      (req, res) => {
        if (req.session.kept) return say(req, res)
        req.sessionID = 'mine'
        req.session.kept = 1
        res.end(String(Object.keys(store.sessions)))
      },
      2,
    )
  })

  // But for what express-session keeps of a parsed URL, as Express does.
  same('keeps its cookie header and gets no property more', (lib) =>
    play(
      lib,
      {},
      (req, res) => {
        const known = new Set(Object.keys(new req.constructor(null)))
        res.end(
          JSON.stringify([
            Object.keys(req)
              .filter((name) => !known.has(name) && name !== '_parsedUrl')
              .sort(),
            req.headers.cookie,
          ]),
        )
      },
      2,
    ),
  )

  same('whose session is unset keeps it, or has it destroyed', async (lib) => {
    const shown = []
    for (const unset of ['keep', 'destroy', undefined]) {
      for (const how of ['null', 'undefined', 'delete', 'zero']) {
        const store = new lib.MemoryStore()
        let number = 0
        const answers = await play(
          lib,
          { store, unset },
          (req, res) => {
            if (++number === 2) {
              if (how === 'null') req.session = null
              if (how === 'undefined') req.session = undefined
              if (how === 'delete') delete req.session
              if (how === 'zero') req.session = 0
            }
            res.end(String(req.sessionID))
          },
          3,
        )
        shown.push([unset, how, answers, Object.keys(store.sessions)])
      }
    }
    return shown
  })

  same('has originalUrl looked at before url', async (lib) => {
    const shown: unknown[] = []
    const middleware = lib({ secret: 's', resave: false, saveUninitialized: false, cookie: { path: '/app' } })
    for (const [url, originalUrl] of [
      ['/x', '/app/x'],
      ['/app', '/x'],
      ['/app', undefined],
      ['', '/app?x=/'],
      ['/x', ''],
    ]) {
      const req: Any = Object.assign(new EventEmitter(), {
        url,
        headers: {},
        ...(originalUrl === undefined ? {} : { originalUrl }),
      })
      const res: Any = Object.assign(new EventEmitter(), {
        writeHead() {},
        end() {},
        write() {},
        getHeader() {},
        setHeader() {},
      })
      middleware(req, res, () => shown.push([url, originalUrl, typeof req.session]))
    }
    return shown
  })

  same('keeps the asynchronous context of its handler', (lib) => {
    const context = new AsyncLocalStorage<string>()
    return play(lib, {}, (req, res) => {
      context.run('mine', () => {
        req.session.save(() => {
          req.session.reload(() => res.end(context.getStore()))
        })
      })
    })
  })
})

describe('the session', () => {
  same('is shown by inspect and by its prototype', (lib) => {
    const session = new lib.Session({ sessionID: 'id' }, { a: 1 })
    const names = Object.getOwnPropertyNames(lib.Session.prototype).sort()
    return [
      inspect(session),
      names,
      names.map((name) => lib.Session.prototype[name].length),
      lib.Session.length,
      lib.Session.name,
      Object.getOwnPropertyDescriptor(session, 'id'),
      String(session),
      session.constructor === lib.Session,
    ]
  })

  same('hands its callbacks what the store said', (lib) => {
    const store = new lib.MemoryStore()
    store.set = (_id: string, _session: Any, done: Any) => setImmediate(done, 'set said', 1)
    store.destroy = (_id: string, done: Any) => setImmediate(done, 'destroy said', 2)
    store.get = (_id: string, done: Any) => setImmediate(done, 'get said', null)
    return play(lib, { store }, (req, res) => {
      const told: unknown[] = []
      req.session.save((...args: Any[]) => {
        told.push(args)
        req.session.reload((...args: Any[]) => {
          told.push(args)
          req.session.regenerate((...args: Any[]) => {
            told.push(args, req.session.id)
            req.session.destroy((...args: Any[]) => {
              told.push(args)
              res.end(JSON.stringify(told))
            })
          })
        })
      })
    })
  })

  same('may have its save replaced', (lib) => {
    const store = new lib.MemoryStore()
    return play(
      lib,
      { store },
      (req, res) => {
        const { save } = req.session
        req.session.save = function (this: Any, ...args: Any[]) {
          this.saves = (this.saves ?? 0) + 1
          return save.apply(this, args)
        }
        res.end(JSON.stringify(Object.values(store.sessions)))
      },
      3,
    )
  })

  same('has the toJSON of its values heard', (lib) => {
    const store = new lib.MemoryStore()
    return play(
      lib,
      { store },
      (req, res) => {
        req.session.at = new Date(0)
        req.session.deep = { toJSON: () => ({ told: 1 }) }
        req.session.not = undefined
        req.session.fn = () => 1
        req.session.map = new Map([[1, 2]])
        res.end(JSON.stringify(Object.values(store.sessions)))
      },
      2,
    )
  })

  same('tells a change of order from none', (lib) => {
    const writes: string[] = []
    class Store extends lib.MemoryStore {
      set(id: string, session: Any, done: Any) {
        writes.push(JSON.stringify(session))
        super.set(id, session, done)
      }
    }
    let number = 0
    return play(
      lib,
      { store: new Store() },
      (req, res) => {
        if (++number === 1) Object.assign(req.session, { a: 1, b: 2 })
        else {
          const { a } = req.session
          delete req.session.a
          req.session.a = a
        }
        res.end(JSON.stringify(writes))
      },
      3,
    )
  })

  same('may have another cookie', async (lib) => {
    const shown = []
    for (const cookie of [{}, { maxAge: 5 }, new lib.Cookie({ maxAge: 60_000, path: '/x' })]) {
      const store = new lib.MemoryStore()
      const [answer] = await play(lib, { store }, (req, res) => {
        req.session.cookie = cookie
        res.end('hello')
      })
      const { setCookie, ...rest } = answer as Played
      shown.push([rest, setCookie.map((line) => line.replace(/Expires=[^;]*/, 'Expires')), Object.keys(store.sessions)])
    }
    return shown
  })
})

describe('the cookie', () => {
  same('takes odd options', (lib) => {
    const shown = []
    for (const options of [
      null,
      undefined,
      false,
      0,
      '',
      [],
      ['a'],
      { maxAge: undefined },
      { maxAge: null },
      { maxAge: 0 },
      { maxAge: Number.NaN },
      { maxAge: Number.POSITIVE_INFINITY },
      { maxAge: -1 },
      { expires: '2030-01-01' },
      { expires: 0 },
      { originalMaxAge: 5 },
      { maxAge: 1000, expires: null },
      { expires: null, maxAge: 0 },
      { path: '' },
      { path: null },
      { httpOnly: 0 },
      { secure: 'auto' },
      { sameSite: 'auto' },
      { data: 1, serialize: 2 },
      { _expires: 3 },
      'text',
      5,
      true,
      () => {},
    ] as Any[]) {
      try {
        const cookie = new lib.Cookie(options)
        const { maxAge, originalMaxAge } = cookie
        // A millisecond later, what is left of none is less than none: -0.
        const near = (value: unknown) => (typeof value === 'number' ? Math.round(value / 100) + 0 : String(value))
        let line: string
        try {
          line = String(cookie.serialize('n', 'v')).replace(/Expires=[^;]*/, 'Expires')
        } catch (error) {
          line = String(error)
        }
        shown.push([inspect(options), Object.keys(cookie), near(maxAge), near(originalMaxAge), line])
      } catch (error) {
        shown.push([inspect(options), String(error)])
      }
    }
    return shown
  })

  same('is inspected, compared and turned into JSON', (lib) => {
    const cookie = new lib.Cookie({ expires: new Date(0), secure: true, other: 1 })
    // An age counts from now, which may be a millisecond later for the other.
    const withoutNow = (text: string) => text.replace(/-\d{13}\b/g, '-now')
    return [
      withoutNow(inspect(cookie.data)),
      withoutNow(JSON.stringify(cookie)),
      Object.keys(cookie.data),
      withoutNow(JSON.stringify({ ...cookie })),
      Object.getOwnPropertyNames(lib.Cookie.prototype).sort(),
      lib.Cookie.length,
      lib.Cookie.name,
      Object.prototype.toString.call(cookie),
      cookie instanceof lib.Cookie,
    ]
  })

  same('of a session is written as the session', (lib) =>
    play(
      lib,
      { cookie: { maxAge: null, sameSite: 'lax', domain: 'example.com' } },
      (req, res) => {
        const { cookie } = req.session
        res.end(JSON.stringify([cookie, cookie.data, cookie.toJSON(), cookie.serialize('a', 'b c'), cookie.maxAge]))
      },
      2,
    ),
  )

  same('may come from a function, which is told the request', (lib) => {
    let calls = 0
    return play(
      lib,
      { cookie: (req: Any) => ({ path: '/', priority: req.url === '/' ? 'high' : 'low', httpOnly: ++calls > 100 }) },
      (req, res) => res.end(`${calls} ${JSON.stringify(req.session)}`),
      3,
    )
  })

  same('may come from a function that throws', async (lib) => {
    const middleware = lib({
      secret: 's',
      resave: false,
      saveUninitialized: false,
      cookie: () => {
        throw new Error('no cookie')
      },
    })
    try {
      middleware({ url: '/', headers: {} }, { writeHead() {} }, () => {})
      return 'nothing thrown'
    } catch (error) {
      return String(error)
    }
  })
})

describe('the store', () => {
  same('must be one that can be listened to', (lib) => {
    const shown: string[] = []
    for (const store of [
      {},
      { get() {}, set() {}, destroy() {} },
      'text',
      Object.create(lib.Store.prototype),
    ] as Any[]) {
      try {
        lib({ secret: 's', resave: false, saveUninitialized: false, store })
        shown.push('taken')
      } catch (error) {
        shown.push(String(error))
      }
    }
    return shown
  })

  same('gets no method of its own but generate, and is read from its class with each request', async (lib) => {
    class Store extends lib.MemoryStore {}
    const store = new Store()
    const options = { store, cookie: { maxAge: 60_000 } }
    const calls: string[] = []
    const mount = (all: Any) => {
      const middleware = lib(all)
      for (const name of ['createSession', 'regenerate']) {
        Store.prototype[name] = function (...args: Any[]) {
          calls.push(name)
          return lib.Store.prototype[name].apply(this, args)
        }
      }
      return middleware
    }
    const answers = await play(mount, options, (req, res) => req.session.regenerate(() => res.end(req.session.id)), 2)
    return [answers.map(({ body }) => body), calls, Object.keys(store)]
  })

  same('may lack createSession or regenerate, and then fails', async (lib) => {
    class Bare extends EventEmitter {
      get(_id: string, done: Any) {
        done(null, { cookie: {} })
      }
      set(_id: string, _session: Any, done: Any) {
        done()
      }
      destroy(_id: string, done: Any) {
        done()
      }
    }
    return play(lib, { store: new Bare() }, (req, res) => {
      try {
        req.session.regenerate(() => res.end('regenerated'))
      } catch (error) {
        res.end((error as Error).name)
      }
    })
  })

  same('may have its methods assigned, and generate replaced', async (lib) => {
    const store = new lib.MemoryStore()
    const middleware = lib({ secret: 's', resave: false, saveUninitialized: true, store })
    const { generate } = store
    store.generate = function (req: Any) {
      generate.call(this, req)
      req.session.made = 'here'
    }
    const req: Any = { url: '/', headers: {} }
    await new Promise((resolve) => middleware(req, { writeHead() {}, end() {} }, resolve))
    return [req.session, generate.length]
  })

  same('may be called on an object of ES5, and by destructured methods', async (lib) => {
    function Old(this: Any) {
      lib.MemoryStore.call(this)
    }
    inherits(Old, lib.MemoryStore)
    const old = new (Old as Any)()
    const { get, set, all, length, touch, destroy, clear } = lib.MemoryStore.prototype
    const call = (method: Any, ...args: Any[]) =>
      new Promise((resolve) => method.call(old, ...args, (...told: Any[]) => resolve(told)))
    const session = { cookie: { originalMaxAge: null }, a: 1 }
    return [
      await call(set, 'a', session),
      await call(set, 'b', session),
      await call(get, 'a'),
      await call(get, 'c'),
      await call(touch, 'a', { cookie: { expires: null } }),
      await call(all),
      await call(length),
      await call(destroy, 'a'),
      await call(all),
      await call(clear),
      await call(length),
      [get, set, all, length, touch, destroy, clear].map((method) => [method.name, method.length]),
      lib.MemoryStore.length,
      lib.Store.length,
      lib.Store.name,
      lib.MemoryStore.name,
    ]
  })

  same('may fail in whichever way', async (lib) => {
    const shown = []
    for (const method of ['get', 'set', 'touch', 'destroy']) {
      for (const error of [
        new Error('broken'),
        Object.assign(new Error('gone'), { code: 'ENOENT' }),
        'text',
        { code: 'ENOENT' },
      ]) {
        const store = new lib.MemoryStore()
        let number = 0
        const answers = await play(
          lib,
          { store, unset: 'keep' },
          (req, res) => {
            if (++number === 1) store[method] = (...args: Any[]) => args.at(-1)?.(error)
            if (method === 'set') req.session.number = number
            if (method === 'destroy') return req.session.destroy((told: Any) => res.end(String(told)))
            res.end('fine')
          },
          2,
        )
        shown.push([method, String(error), answers])
      }
    }
    return shown
  })

  same('may throw instead of calling back', async (lib) => {
    const store = new lib.MemoryStore()
    store.get = () => {
      throw new Error('thrown by get')
    }
    const headers = { cookie: `connect.sid=${encodeURIComponent('s:a.b')}` }
    return play(lib, { store }, say, 1, headers)
  })

  // As session-file-store notes when it wrote a session.
  same('may change the session that it is given', async (lib) => {
    const shown = []
    for (const resave of [true, false]) {
      for (const kind of ['whole', 'streamed', 'until the browser closes']) {
        let written = 0
        class NotingStore extends lib.MemoryStore {
          set(id: string, session: Any, done: Any) {
            session.written = ++written
            setImmediate(() => super.set(id, session, done))
          }
        }
        const cookie = { maxAge: 60_000 }
        const respond = (req: Any, res: Any) => {
          if (kind === 'until the browser closes') req.session.cookie.expires = false
          if (kind !== 'streamed') return res.end('hello')
          res.write('hello, ')
          setTimeout(() => res.end('world'), 20)
        }
        const answers = await play(lib, { store: new NotingStore(), resave, cookie }, respond, 3)
        shown.push([resave, kind, written, answers.map(({ body, setCookie }) => [body, setCookie.length])])
      }
    }
    return shown
  })

  same('may give a record that is none', async (lib) => {
    const shown = []
    for (const record of [
      {},
      { cookie: null },
      { cookie: {} },
      { cookie: 'text' },
      'text',
      5,
      [],
      { cookie: { expires: 'never' } },
    ]) {
      const store = new lib.MemoryStore()
      let number = 0
      const answers = await play(
        lib,
        { store },
        (req, res) => {
          if (++number === 1) store.get = (_id: string, done: Any) => done(null, record)
          res.end(inspect(req.session.a))
        },
        2,
      )
      shown.push([inspect(record), answers])
    }
    return shown
  })
})

describe('the response', () => {
  same('goes on where a test replaces the timers', async (lib) => {
    vi.useFakeTimers({ toFake: ['setImmediate'] })
    try {
      const store = new lib.MemoryStore()
      const { set } = store
      let writes = 0
      store.set = (id: string, session: Any, done: Any) =>
        ++writes === 3 ? done(new Error('the third fails')) : set.call(store, id, session, done)
      return await play(
        lib,
        { store },
        (req, res) => {
          req.session.views = (req.session.views ?? 0) + 1
          res.end(String(req.session.views))
        },
        3,
      )
    } finally {
      vi.useRealTimers()
    }
  })

  same('is over for the session when it ends', async (lib) => {
    const store = new lib.MemoryStore()
    const answers = await play(
      lib,
      { store },
      (req, res) => {
        req.session.early = 1
        res.end('x')
        req.session.late = 1
      },
      2,
    )
    return [answers, Object.values(store.sessions)]
  })

  const endless: { [why: string]: (session: Any, res: Any) => void } = {
    'the store never says that it destroyed': (session) => session.destroy(),
    'its handler saves again and again': (session, res) => {
      const save = () => res.closed || session.save(save)
      save()
    },
  }
  for (const [why, begin] of Object.entries(endless)) {
    same(`goes out although ${why}`, async (lib) => {
      const store = new lib.MemoryStore()
      store.destroy = () => {}
      const middleware = lib({ secret: 's', resave: false, saveUninitialized: true, store })
      const server = createServer((req: Any, res) => {
        middleware(req, res, () => {
          begin(req.session, res)
          res.end('bye')
          vi.advanceTimersByTime(5000)
        })
      })
      servers.push(server)
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
      try {
        const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
        return await (await fetch(url, { signal: AbortSignal.timeout(2000) })).text()
      } finally {
        vi.useRealTimers()
      }
    })
  }

  const write = (res: Any) => res.write('begun, ')
  const late: { [what: string]: [begin: (res: Any) => void, options: object, respond: Respond] } = {
    'has it changed': [
      write,
      {},
      (req, res) => {
        req.session.views = 1
        res.end('viewed')
      },
    ],
    'has it touched': [write, {}, say],
    'has it stored again': [(res) => res.flushHeaders(), { resave: true }, say],
    'has it destroyed': [
      write,
      { unset: 'destroy' },
      (req, res) => {
        req.session = null
        res.end('bye')
      },
    ],
    'leaves it when it is over already': [(res) => res.end('over'), { resave: true }, () => {}],
    'tells nothing of a cookie that it could not bring': [
      write,
      {},
      (req, res) =>
        req.session.regenerate(() => {
          req.session.cookie.domain = 'no domain'
          res.end('new')
        }),
    ],
  }
  for (const [what, [begin, options, respond]] of Object.entries(late)) {
    same(`whose head left before its session was read ${what}`, async (lib) => {
      const calls: string[] = []
      class Store extends lib.MemoryStore {
        get(id: string, done: Any) {
          setTimeout(() => super.get(id, done), 10)
        }
        set(id: string, session: Any, done: Any) {
          calls.push('set')
          super.set(id, session, done)
        }
        touch(id: string, session: Any, done: Any) {
          calls.push('touch')
          super.touch(id, session, done)
        }
        destroy(id: string, done: Any) {
          calls.push('destroy')
          super.destroy(id, done)
        }
      }
      const store = new Store()
      const mount = (all: Any) => {
        const middleware = lib(all)
        return (req: Any, res: Any, next: Any) => {
          middleware(req, res, next)
          if (req.headers.cookie) begin(res)
          else res.end('first')
        }
      }
      const answers = await play(
        mount,
        { store, ...options },
        (req, res, fail) => req.headers.cookie && respond(req, res, fail),
        2,
      )
      await new Promise((resolve) => setTimeout(resolve, 20))
      return [answers, calls, Object.values(store.sessions)]
    })
  }

  same('is done for the session when its handler is, not when its client leaves', async (lib) => {
    const store = new lib.MemoryStore()
    const middleware = lib({ secret: 's', resave: false, saveUninitialized: true, store })
    const server = createServer((req: Any, res) => {
      middleware(req, res, () => {
        res.write('streamed, ')
        res.once('close', () => {
          setImmediate(() => {
            req.session.answer = 'whole'
            res.end('to the end')
          })
        })
      })
    })
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const request = get({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' })
    request.on('error', () => {})
    request.once('response', (answer) => answer.once('data', () => request.destroy()))
    await vi.waitFor(() => expect(Object.values(store.sessions).join()).toContain('answer'))
    return Object.values(store.sessions)
  })

  same('may be of a framework that takes its head for sent early, as @fastify/express does', (lib) =>
    play(lib, {}, (_req, res) => {
      Object.defineProperty(res, 'headersSent', { value: true })
      res.writeHead(200, { 'X-A': '1' })
      res.end('hello')
    }),
  )

  same('may be a mock, which goes on telling how far it is', async (lib) => {
    const middleware = lib({ secret: 's', resave: false, saveUninitialized: true })
    const res: Any = Object.assign(new EventEmitter(), {
      headersSent: false,
      writableEnded: false,
      getHeader() {},
      setHeader() {},
      _implicitHeader() {
        this.writeHead()
      },
      writeHead() {
        this.headersSent = true
      },
      write() {
        this.headersSent = true
      },
      end(this: Any) {
        this.headersSent = this.writableEnded = true
        this.emit('finish')
      },
    })
    const isOver = new Promise((resolve) => res.once('finish', resolve))
    middleware({ url: '/', headers: {} }, res, () => res.end('hello'))
    await isOver
    return [res.headersSent, res.writableEnded]
  })

  // As where a function in the cloud is called, or a test without a server.
  for (const ends of [['finish'], ['finish', 'close'], ['close']]) {
    for (const isLater of [false, true]) {
      const failure = isLater ? 'later' : 'at once'
      same(`without a socket has a save told that fails ${failure}, where it emits ${ends}`, async (lib) => {
        const store = new lib.MemoryStore()
        store.set = (_id: string, _session: Any, done: Any) => {
          const fail = () => done(new Error('not stored'))
          if (isLater) setImmediate(fail)
          else fail()
        }
        const middleware = lib({ secret: 's', resave: false, saveUninitialized: true, store })
        const res: Any = new ServerResponse({ method: 'GET', httpVersionMajor: 1, httpVersionMinor: 1 } as Any)
        res.write = () => true
        res.end = () => ends.forEach((event) => void res.emit(event))
        const told: string[] = []
        let isInHandler = true
        middleware({ url: '/', headers: {} }, res, (error?: Error) => {
          if (error) return told.push(`${error.message}${isInHandler ? ', at once' : ''}`)
          res.end('hello')
        })
        isInHandler = false
        await new Promise((resolve) => setTimeout(resolve, 30))
        return told
      })
    }
  }

  const headWaiters: { [name: string]: (res: Any) => void } = {
    'replaces the cookies': (res) => onHeaders(res, () => res.setHeader('Set-Cookie', 'late=1')),
    'removes the cookies': (res) => onHeaders(res, () => res.removeHeader('Set-Cookie')),
    'replaces them where the head is taken for sent early': (res) => {
      Object.defineProperty(res, 'headersSent', { value: true })
      onHeaders(res, () => res.setHeader('Set-Cookie', 'late=1'))
    },
    'brings cookies of its own': (res) => {
      const { writeHead } = res
      res.writeHead = (status: number) => writeHead.call(res, status, { 'Set-Cookie': 'late=1', 'X-Late': '1' })
    },
  }
  for (const [what, wait] of Object.entries(headWaiters)) {
    same(`keeps the cookie of its session where somebody waits for the head and ${what}`, (lib) =>
      play(
        lib,
        {},
        (req, res) => {
          wait(res)
          req.session.views = (req.session.views ?? 0) + 1
          res.end(String(req.session.views))
        },
        2,
      ),
    )
  }

  test('brings the cookie once where somebody waits for the head and writes it anew', async () => {
    const [visit] = await play(ours, {}, (req, res) => {
      onHeaders(res, () => {
        const cookies = [res.getHeader('Set-Cookie') ?? []].flat()
        res.setHeader(
          'Set-Cookie',
          cookies.map((cookie) => `${cookie}; Partitioned`),
        )
      })
      req.session.views = 1
      res.end()
    })
    expect(visit?.setCookie).toHaveLength(1)
  })

  const responses: { [name: string]: Respond } = {
    'ends with a text and an encoding': (_req, res) => res.end('aGVsbG8=', 'base64'),
    'ends twice': (_req, res) => res.end('one').end?.('two'),
    'ends with an empty text': (_req, res) => res.end(''),
    'has a head of an array': (_req, res) =>
      res.writeHead(201, ['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2', 'X', 'y']).end('x'),
    'has a head of pairs': (_req, res) =>
      res
        .writeHead(201, [
          ['Set-Cookie', 'a=1'],
          ['X', 'y'],
        ])
        .end('x'),
    'has a reason': (_req, res) => res.writeHead(299, 'Odd', { X: 'y' }).end('x'),
    'writes nothing, then something': (_req, res) => {
      res.write('')
      res.end('x')
    },
    'writes bytes': (_req, res) => {
      res.write(new Uint8Array([104, 105]))
      res.end(Buffer.from('!'))
    },
    'has a status without a body': (_req, res) => {
      res.statusCode = 304
      res.setHeader('ETag', '"x"')
      res.end()
    },
    'has a wrong status': (_req, res) => res.writeHead(42).end(),
    'has a wrong header': (_req, res) => res.writeHead(200, { 'bad name': 'x' }).end(),
    'has its cookie looked at by a handler': (req, res) => {
      res.setHeader('Set-Cookie', 'a=1')
      req.session.a = 1
      res.end(String(res.getHeader('set-cookie')))
    },
    'has an empty cookie': (req, res) => {
      res.setHeader('Set-Cookie', '')
      req.session.a = 1
      res.end()
    },
    'has its head written past everybody': (req, res) => {
      req.session.a = 1
      ServerResponse.prototype.writeHead.call(res, 201)
      res.end('x')
    },
    'is handled by writeHead alone': (req, res) => {
      req.session.a = 1
      res.writeHead(200)
      res.end(String(res.headersSent))
    },
  }
  for (const [name, respond] of Object.entries(responses)) same(name, (lib) => play(lib, {}, respond, 2))

  same('may be made of another, which is answered and shares its listeners', async (lib) => {
    const middleware = lib({ secret: 's', resave: false, saveUninitialized: true })
    let closed: Promise<unknown> | undefined
    const server = createServer((req: Any, res) => {
      const made = Object.create(res)
      closed = new Promise((resolve) => res.on('close', () => resolve('closed')))
      middleware(req, made, () => res.end('hello'))
    })
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const status = await new Promise((resolve) => {
      get({ port, host: '127.0.0.1', agent: false }, (incoming) => {
        incoming.resume().on('close', () => resolve(incoming.statusCode))
      })
    })
    return [status, await closed]
  })

  test('is written in very many pieces, while its session is stored, in no more time for each', async () => {
    async function timeOf(pieces: number): Promise<number> {
      let duration = Number.NaN
      await play(ours, {}, (req, res) => {
        req.session.a = 1
        const start = performance.now()
        for (let line = 0; line < pieces; line++) res.write(`${line}\n`)
        duration = performance.now() - start
        res.end()
      })
      return duration
    }
    await timeOf(10_000)
    // Ten times as much; where each piece looked at those before it, a hundred times.
    expect((await timeOf(100_000)) / (await timeOf(10_000))).toBeLessThan(50)
  })
})
