/**
 * Where the drop-in differs from express-session, shown on both sides: each is listed with its reason in
 * docs/express-session.md, by the title that it has here.
 */

import { readFileSync } from 'node:fs'
import { createServer, get, type IncomingMessage, type Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import cookieParser from 'cookie-parser'
import express from 'express'
import original from 'express-session'
import ours from 'sojourn/express-session'
import { afterEach, describe, expect, test } from 'vitest'

// biome-ignore lint/suspicious/noExplicitAny: both packages go through here, each with typings of its own.
type Any = any

const onHeaders: (response: unknown, listener: () => void) => void = createRequire(import.meta.url)('on-headers')

const servers: Server[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})

interface Answer {
  status: number | undefined
  headers: IncomingMessage['headers']
  body: string
  /** When the head had arrived. */
  store: Any
}

/** Plays one request and resolves to what came back, or to `hangs`. */
async function play(
  lib: Any,
  options: Any,
  respond: (req: Any, res: Any, next: (error?: Any) => void) => void,
  { path = '/', cookie = '', onHead = (_store: Any) => {} } = {},
): Promise<Answer | 'hangs'> {
  const store = options.store ?? new lib.MemoryStore()
  const middleware = lib({ secret: 'keyboard cat', resave: false, saveUninitialized: true, ...options, store })
  const server = createServer((req, res) => {
    const answer = (error: Error) => {
      if (res.headersSent) return
      res.statusCode = 500
      res.end(error.message)
    }
    middleware(req, res, (error?: Error) => {
      if (error) return answer(error)
      try {
        respond(req, res, answer)
      } catch (thrown) {
        answer(thrown as Error)
      }
    })
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return new Promise((resolve) => {
    const outgoing = get({ port, path, host: '127.0.0.1', headers: { cookie } }, async (incoming) => {
      onHead(store)
      let body = ''
      for await (const chunk of incoming) body += chunk
      resolve({ status: incoming.statusCode, headers: incoming.headers, body, store })
    })
    outgoing.setTimeout(300, () => outgoing.destroy())
    outgoing.on('error', () => resolve('hangs'))
  })
}

/** A store that takes a while to write, and counts what it wrote. */
function slowStore(lib: Any, milliseconds: number) {
  class SlowStore extends lib.MemoryStore {
    written = 0
    set(id: string, session: Any, callback: Any) {
      setTimeout(() => {
        this.written++
        super.set(id, session, callback)
      }, milliseconds)
    }
  }
  return new SlowStore() as Any
}

const page = readFileSync(new URL('../../docs/express-session.md', import.meta.url), 'utf8')

/** A difference, and what each side does. */
function difference(title: string, run: (lib: Any) => Promise<unknown>, [theirs, mine]: [unknown, unknown]): void {
  describe(title, () => {
    test('express-session', async () => expect(await run(original)).toEqual(theirs))
    test('Sojourn', async () => expect(await run(ours)).toEqual(mine))
    test('is documented', () => expect(page).toContain(`**${title}.**`))
  })
}

difference(
  'The session is stored before the first byte leaves',
  async (lib) => {
    const store = slowStore(lib, 100)
    let writtenAtHead: number | undefined
    const onHead = () => {
      writtenAtHead = store.written
    }
    const redirect = (req: Any, res: Any) => {
      req.session.user = 'ada'
      res.writeHead(302, { Location: '/' })
      res.end('moved')
    }
    await play(lib, { store }, redirect, { onHead })
    return writtenAtHead
  },
  [0, 1],
)

difference(
  'A response waits for the `save` or `destroy` that its handler began',
  async (lib) => {
    const store = slowStore(lib, 20)
    const destroy = store.destroy.bind(store)
    store.destroy = (id: string, callback: Any) => setTimeout(destroy, 20, id, callback)
    let storedAtHead = ''
    const onHead = () => {
      storedAtHead = Object.values(store.sessions).join()
    }
    const shown: unknown[] = []
    let cookie = ''
    for (const how of ['save', 'destroy', 'stream']) {
      const respond = (req: Any, res: Any) => {
        if (how === 'destroy') req.session.destroy()
        else req.session.user = 'ada'
        if (how === 'save') req.session.save()
        if (how !== 'stream') return res.writeHead(302, { Location: '/' }).end()
        res.write('streamed')
        setTimeout(() => {
          req.session.late = 1
          req.session.save()
          res.end()
        }, 50)
      }
      const answer = (await play(lib, { store, unset: 'keep' }, respond, { onHead, cookie })) as Answer
      cookie ||= answer.headers['set-cookie']?.[0]?.split(';')[0] ?? ''
      shown.push([how, storedAtHead.includes('ada'), Object.values(store.sessions).join().includes('late')])
      await new Promise((resolve) => setTimeout(resolve, 40))
    }
    return shown
  },
  [
    [
      ['save', false, false],
      ['destroy', true, false],
      ['stream', false, false],
    ],
    [
      ['save', true, false],
      ['destroy', false, false],
      ['stream', true, true],
    ],
  ],
)

difference(
  'A response waits for the `regenerate` that its handler began',
  async (lib) => {
    const ways: { [name: string]: (req: Any) => unknown } = {
      alone: (req) => req.session.regenerate(() => {}),
      // As passport's `logout` does.
      'after save': (req) => req.session.save(() => req.session.regenerate(() => {})),
      'after await': async (req) => {
        await new Promise((resolve) => req.session.save(resolve))
        req.session.regenerate(() => {})
      },
    }
    const shown: unknown[] = []
    for (const [way, regenerate] of Object.entries(ways)) {
      let ids = 0
      const genid = () => `id-${++ids}`
      const signIn = (req: Any, res: Any) => {
        regenerate(req)
        res.end('signed in')
      }
      const answer = (await play(lib, { genid }, signIn)) as Answer
      await new Promise((resolve) => setTimeout(resolve, 20))
      shown.push([way, answer.headers['set-cookie']?.join().match(/id-\d/)?.[0], Object.keys(answer.store.sessions)])
    }
    return shown
  },
  [
    [
      ['alone', 'id-1', ['id-1']],
      ['after save', 'id-1', []],
      ['after await', 'id-1', []],
    ],
    [
      ['alone', 'id-2', ['id-2']],
      ['after save', 'id-2', ['id-2']],
      ['after await', 'id-2', ['id-2']],
    ],
  ],
)

difference(
  'A value that changes after the first byte is stored by a second write',
  async (lib) => {
    const store = slowStore(lib, 0)
    const stream = (req: Any, res: Any) => {
      req.session.early = true
      res.write('first, ')
      setTimeout(() => {
        req.session.late = true
        res.end('last')
      }, 20)
    }
    const answer = (await play(lib, { store }, stream)) as Answer
    const [record] = Object.values(store.sessions) as string[]
    const { early, late } = JSON.parse(record as string)
    return { body: answer.body, written: store.written, early, late }
  },
  [
    { body: 'first, last', written: 1, early: true, late: true },
    { body: 'first, last', written: 2, early: true, late: true },
  ],
)

difference(
  'What waits for the head, as with `on-headers`, begins no session',
  async (lib) => {
    const respond = (req: Any, res: Any) => {
      onHeaders(res, () => Object.assign(req.session, { user: 'ada' }))
      res.end('hello')
    }
    const { headers, store } = (await play(lib, { saveUninitialized: false }, respond)) as Answer
    return [headers['set-cookie']?.length, Object.keys(store.sessions)]
  },
  [
    [1, []],
    [undefined, []],
  ],
)

difference(
  'A response is sent whole, with its length',
  async (lib) => {
    const answer = (await play(lib, {}, (_req, res) => res.end('hello'))) as Answer
    return [answer.headers['content-length'], answer.headers['transfer-encoding'], answer.body]
  },
  [
    [undefined, 'chunked', 'hello'],
    ['5', undefined, 'hello'],
  ],
)

difference(
  'The callback of `end` is called',
  async (lib) => {
    let isCalled = false
    const answer = await play(lib, {}, (_req, res) =>
      res.end('hello', 'utf8', () => {
        isCalled = true
      }),
    )
    await new Promise((resolve) => setTimeout(resolve, 20))
    return [(answer as Answer).body, isCalled]
  },
  [
    ['hello', false],
    ['hello', true],
  ],
)

difference(
  'The path of the cookie matches by segment',
  async (lib) => {
    const seen: string[] = []
    for (const path of ['/app', '/app/', '/app/page', '/app?q', '/application', '/other']) {
      const answer = await play(lib, { cookie: { path: '/app' } }, (req, res) => res.end(typeof req.session), { path })
      seen.push((answer as Answer).body)
    }
    return seen.join(' ')
  },
  ['object object object object object undefined', 'object object object object undefined undefined'],
)

difference(
  "`'auto'` works where `cookie` is a function",
  async (lib) => {
    const cookie = () => ({ secure: 'auto', sameSite: 'auto' })
    const answer = (await play(lib, { cookie }, (req, res) => res.end(JSON.stringify(req.session.cookie)))) as Answer
    const { secure, sameSite } = JSON.parse(answer.body)
    return { secure, sameSite, sent: answer.headers['set-cookie']?.[0]?.replace(/^[^;]*/, '') }
  },
  [
    { secure: 'auto', sameSite: 'auto', sent: undefined },
    { secure: false, sameSite: 'lax', sent: '; Path=/; HttpOnly; SameSite=Lax' },
  ],
)

difference(
  'A session that cannot be stored is answered with the error',
  async (lib) => {
    const circular = (req: Any, res: Any) => {
      req.session.self = req.session
      res.end('hello')
    }
    const answer = await play(lib, {}, circular)
    return answer === 'hangs' ? answer : [answer.status, answer.body.split('\n')[0]]
  },
  ['hangs', [500, 'Converting circular structure to JSON']],
)

difference(
  'A request whose session could not be read does not destroy it',
  async (lib) => {
    const store = new lib.MemoryStore()
    const first = (await play(lib, { store }, (_req, res) => res.end())) as Answer
    const cookie = first.headers['set-cookie']?.[0]?.split(';')[0] as string
    store.get = (_id: string, callback: (error: Error) => void) => callback(new Error('down for a second'))
    const answer = (await play(lib, { store, unset: 'destroy' }, () => {}, { cookie })) as Answer
    return [answer.status, Object.keys(store.sessions).length]
  },
  [
    [500, 0],
    [500, 1],
  ],
)

difference(
  'A cookie of which cookie-parser makes an object is no error',
  async (lib) => {
    const middleware = lib({ secret: 's', resave: false, saveUninitialized: false })
    const app = express()
    app.use(cookieParser(), middleware, (_req, res) => void res.send('fine'))
    const server = createServer(app.set('env', 'test'))
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const { status } = await fetch(`http://127.0.0.1:${port}`, { headers: { cookie: 'connect.sid=j:{}' } })
    return status
  },
  [500, 200],
)

difference(
  '`reload` reports a record that is no session',
  async (lib) => {
    const reload = (req: Any, res: Any) => {
      // A synchronous store shows where it goes; else what is thrown in its callback would end the process.
      req.sessionStore.get = (_id: string, callback: (error: null, record: object) => void) => callback(null, {})
      try {
        req.session.reload((error: Error) => res.end(`callback: ${error.name}`))
      } catch (error) {
        res.end(`thrown: ${(error as Error).name}`)
      }
    }
    return ((await play(lib, { saveUninitialized: false }, reload)) as Answer).body
  },
  ['thrown: TypeError', 'callback: TypeError'],
)

difference(
  '`regenerate` reports what `genid` throws',
  async (lib) => {
    const genid = (req: Any) => {
      if (req.sessionID) throw new Error('no more ids')
      return 'one'
    }
    const regenerate = (req: Any, res: Any) => {
      let thrown = ''
      try {
        req.session.regenerate((error: Error) => res.end(`callback: ${error.message}`))
      } catch (error) {
        thrown = (error as Error).message
      }
      if (thrown) res.end(`thrown: ${thrown}`)
    }
    const bodies: string[] = []
    for (const { MemoryStore } of [lib, original as Any]) {
      const store = new MemoryStore()
      // What is thrown in the store's callback would end the process; a synchronous store shows where it goes.
      store.destroy = (_id: string, callback: () => void) => callback()
      bodies.push(((await play(lib, { genid, store }, regenerate)) as Answer).body)
    }
    return bodies
  },
  [
    ['thrown: no more ids', 'thrown: no more ids'],
    ['callback: no more ids', 'callback: no more ids'],
  ],
)

difference(
  'A method that is given no callback returns a promise',
  async (lib) => {
    const methods = async (req: Any, res: Any, next: (error: Any) => void) => {
      try {
        if (!(req.session.save() instanceof Promise)) return next(new Error('no promise'))
        const kinds: boolean[] = []
        await req.session.save()
        await req.session.reload()
        await req.session.regenerate()
        const { session } = req
        kinds.push(req.session !== session, session.destroy() instanceof Promise, req.session === undefined)
        res.end(JSON.stringify(kinds))
      } catch (error) {
        next(error)
      }
    }
    return ((await play(lib, {}, methods)) as Answer).status
  },
  [500, 200],
)

difference(
  'The methods sit on the prototype',
  async (lib) => {
    const own = (req: Any, res: Any) => {
      const names = Object.getOwnPropertyNames(req.session).sort().join(' ')
      const returned = req.session.save(() => res.end(`${names}, ${typeof returned}`))
    }
    return ((await play(lib, {}, own)) as Answer).body
  },
  ['cookie id reload req save, undefined', 'cookie id req, object'],
)

difference(
  'Sessions are of this package, whatever the store extends',
  async (lib) => {
    const kinds: string[] = []
    for (const isShared of [false, true]) {
      const store = new (original as Any).MemoryStore()
      const mount = (options: Any) => {
        const middleware = lib(options)
        // The last that is mounted, as for a route of its own, makes the new sessions of the store that they share.
        if (isShared) original({ secret: 's', resave: false, saveUninitialized: false, store })
        return middleware
      }
      const kind = (req: Any, res: Any) => {
        const before = req.session
        before.regenerate(() => {
          res.end([before, req.session].map((session) => session instanceof ours.Session).join())
        })
      }
      let cookie = ''
      for (const _visit of ['new', 'regenerated']) {
        const answer = (await play(mount, { store }, kind, { cookie })) as Answer
        cookie = answer.headers['set-cookie']?.[0]?.split(';')[0] as string
        kinds.push(answer.body)
      }
    }
    return kinds
  },
  [Array(4).fill('false,false'), Array(4).fill('true,true')],
)

difference(
  'Of two failures the other may be told first',
  async (lib) => {
    const store = new lib.MemoryStore()
    store.set = (_id: string, _session: unknown, callback: (error: Error) => void) => callback(new Error('not stored'))
    const failures: string[] = []
    const middleware = lib({ secret: 's', resave: false, saveUninitialized: true, store, name: 'not a name' })
    const server = createServer((req, res) => {
      middleware(req, res, (error?: Error) => {
        if (error) failures.push(error.message)
        else res.writeHead(200).end()
      })
    })
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    await new Promise((resolve) => setTimeout(resolve, 30))
    return failures
  },
  [
    ['argument name is invalid', 'not stored'],
    ['not stored', 'argument name is invalid'],
  ],
)

difference(
  'A save that fails cuts no page short',
  async (lib) => {
    const store = new lib.MemoryStore()
    store.set = (_id: string, _session: Any, callback: Any) => callback(new Error('not stored'))
    const app = express()
    // Does not print the error.
    app.set('env', 'test')
    app.use(lib({ secret: 'keyboard cat', resave: false, saveUninitialized: true, store }))
    app.get('/', (_req, res) => void res.send(Buffer.alloc(20_000_000)))
    const server = app.listen(0, '127.0.0.1')
    servers.push(server)
    await new Promise((resolve) => server.once('listening', resolve))
    const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    return answer.arrayBuffer().then(
      (body) => body.byteLength,
      () => 'cut off',
    )
  },
  ['cut off', 20_000_000],
)

describe('promises without callbacks', () => {
  test('end no process when nobody looks', async () => {
    const store = new ours.MemoryStore()
    store.set = (_id, _session, callback) => callback?.(new Error('not stored'))
    const rejections: unknown[] = []
    const note = (reason: unknown) => rejections.push(reason)
    process.on('unhandledRejection', note)
    const answer = (await play(ours, { store, saveUninitialized: false }, async (req, res) => {
      req.session.save()
      const told = await req.session.save().catch((error: Error) => error.message)
      res.end(told)
    })) as Answer
    await new Promise((resolve) => setTimeout(resolve, 20))
    process.off('unhandledRejection', note)
    expect([answer.body, rejections]).toEqual(['not stored', []])
  })
})
