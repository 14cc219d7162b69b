/** What becomes of a response whose session cannot be saved, whose client leaves, or whose handler misbehaves. */
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import http2 from 'node:http2'
import { type AddressInfo, connect } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { codeOf, cookie, deferred, Keeper } from '../../test/harness/gatekeeper.js'
import { converse, lastRequest, serve } from '../../test/harness/http.js'
import { gate, onEntry } from './gate.js'

const down = new Error('the store is down')

function* endlessly(): Generator<string> {
  while (true) yield 'x'.repeat(1000)
}

describe('a session that cannot be saved', () => {
  const handlers: [string, (response: ServerResponse) => unknown][] = [
    ['end', (r) => r.end('a')],
    ['write and end', (r) => r.write('a') || r.end('b')],
    ['writeHead, write and end', (r) => r.writeHead(201, { ETag: '"1"' }).write('a') || r.end('b')],
    ['flushHeaders', (r) => r.flushHeaders()],
    ['a redirect', (r) => Object.assign(r, { statusCode: 302 }).setHeader('Location', '/').end()],
    ['a piped stream', (r) => Readable.from(endlessly()).pipe(r)],
  ]

  for (const manner of ['rejects', 'throws', 'throws while it writes headers'] as const) {
    test.each(handlers)(`${manner}: %s`, async (_, handle) => {
      let keeper: FailingKeeper | undefined
      const port = await serve((_request, response) => {
        response.setHeader('X-Powered-By', 'us')
        response.setHeader('Set-Cookie', ['other=1'])
        keeper = new FailingKeeper(response, manner)
        response.statusCode = 201
        response.statusMessage = 'Made'
        response.setHeader('X-Powered-By', 'them')
        response.setHeader('Cache-Control', 'public')
        response.setHeader('ETag', '"1"')
        response.setHeader('Date', 'yesterday')
        response.appendHeader('Set-Cookie', 'handler=1')
        handle(response)
      })
      const [head, body] = (await converse(port, lastRequest())).split('\r\n\r\n')
      const lines = head?.split('\r\n').map((line) => (line.startsWith('Date: ') ? `Date: ${line.length} long` : line))
      expect(lines).toEqual([
        'HTTP/1.1 503 Service Unavailable',
        'X-Powered-By: us',
        'Set-Cookie: other=1',
        'Content-Length: 4',
        'Date: 35 long',
        'Connection: close',
      ])
      expect(body).toBe('down')
      expect(keeper?.headersSent).toEqual([false])
    })
  }

  test('is answered also where a framework has it that the head was sent, as @fastify/express does', async () => {
    let looks: unknown[] = []
    const port = await serve((_request, response) => {
      const keeper = new Keeper(response, 'later')
      const noted: string[] = []
      Object.assign(keeper, { noteUse: () => noted.push('noteUse') })
      Object.defineProperty(response, 'headersSent', { value: true })
      response.write('a')
      keeper.saving.reject(down)
      response.on('finish', () => {
        looks = [keeper.asked, noted]
      })
    })
    expect(await converse(port, lastRequest())).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n[\s\S]*down/)
    expect(looks).toEqual([['beforeHead', `failed: ${down.message}`], ['noteUse']])
  })

  class FailingKeeper extends Keeper {
    readonly #manner: 'rejects' | 'throws' | 'throws while it writes headers'
    /** What the response said when the keeper heard of the failure. */
    readonly headersSent: boolean[] = []

    constructor(response: ServerResponse, manner: 'rejects' | 'throws' | 'throws while it writes headers') {
      super(response, 'later', () => {
        this.headersSent.push(response.headersSent, ...(response.writableEnded ? [true] : []))
        response.writeHead(503, { 'Content-Length': 4 }).end('down')
      })
      this.#manner = manner
    }
    override beforeHead() {
      if (this.#manner === 'throws') throw down
      if (this.#manner === 'rejects') return nextTurn().then(() => Promise.reject(down))
      return undefined
    }
    override writeHeaders() {
      throw down
    }
  }

  test('the handler finishes its turn before the failure is answered', async () => {
    const order: string[] = []
    const port = await serve((_request, response) => {
      const keeper = new Keeper(response, 'at once', () => {
        order.push('failed')
        response.writeHead(503).end()
      })
      keeper.beforeHead = () => {
        throw down
      }
      response.writeHead(200)
      response.write('a')
      response.end('b')
      order.push('handled')
    })
    await converse(port, lastRequest())
    expect(order).toEqual(['handled', 'failed'])
  })

  test('callbacks of what was dropped get the error', async () => {
    const told: unknown[] = []
    const port = await serve((_request, response) => {
      const { saving } = new Keeper(response, 'later')
      response.write('a', (error) => told.push(error))
      response.write('b', 'latin1', (error) => told.push(error))
      response.end((error?: unknown) => told.push(error))
      saving.reject(down)
    })
    await converse(port, lastRequest())
    expect(told).toEqual([down, down, down])
  })

  test('sources are unpiped, and destroyed once the failure is answered', async () => {
    const source = Readable.from(endlessly())
    const answered = deferred()
    let pipes: unknown
    const port = await serve((_request, response) => {
      const { saving } = new Keeper(response, 'later', () => {
        pipes = source.listenerCount('data')
        response.writeHead(503).end('down', answered.resolve)
      })
      source.pipe(response)
      setImmediate(() => saving.reject(down))
    })
    expect(await converse(port, lastRequest())).toContain('503 Service Unavailable')
    await answered.promise
    await expect.poll(() => source.destroyed).toBe(true)
    expect(pipes).toBe(0)
  })

  test('a source that tells of its end as an error, as a body of undici does, ends no process', async () => {
    const closed = deferred()
    const source = new Readable({
      read() {},
      destroy: (error, callback) => callback(error ?? new Error('aborted')),
    })
    source.push('page')
    source.on('close', closed.resolve)
    const port = await serve((_request, response) => {
      const { saving } = new Keeper(response, 'later')
      source.pipe(response)
      setImmediate(() => saving.reject(down))
    })
    expect(await converse(port, lastRequest())).toMatch(/503 Service Unavailable[\s\S]*down/)
    await closed.promise
  })

  test('a pipeline fails, but not before the failure is answered', async () => {
    let outcome: Promise<unknown> | undefined
    const source = Readable.from(endlessly())
    const port = await serve((_request, response) => {
      const { saving } = new Keeper(response, 'later', async () => {
        await sleep(10)
        response.writeHead(503).end('down')
      })
      outcome = pipeline(source, response).catch(codeOf)
      setImmediate(() => saving.reject(down))
    })
    expect(await converse(port, lastRequest())).toMatch(/503 Service Unavailable[\s\S]*down/)
    expect(await outcome).toBe('ERR_STREAM_PREMATURE_CLOSE')
    expect(source.destroyed).toBe(true)
  })

  test('a source that was unpiped before is left alone', async () => {
    const source = Readable.from(['a'])
    const port = await serve((_request, response) => {
      const { saving } = new Keeper(response, 'later')
      source.pipe(response)
      source.unpipe(response)
      response.end()
      saving.reject(down)
    })
    await converse(port, lastRequest())
    await nextTurn()
    expect(source.destroyed).toBe(false)
  })

  test('a handler that goes on writing harms nobody', async () => {
    const handled = deferred()
    const port = await serve(async (_request, response) => {
      new Keeper(response, 'later').saving.reject(down)
      response.write('a')
      for (let turn = 0; turn < 5; turn++) {
        await nextTurn()
        response.write('b')
      }
      response.end('c')
      handled.resolve()
    })
    expect(await converse(port, lastRequest())).toMatch(/503 Service Unavailable[\s\S]*\r\n\r\n4\r\ndown\r\n0\r\n\r\n$/)
    await handled.promise
  })

  test('nor does it speak for the failure, where that is answered late', async () => {
    const handled = deferred()
    const port = await serve(async (_request, response) => {
      const { saving } = new Keeper(response, 'later', async () => {
        await handled.promise
        response.setHeader('Retry-After', '5')
        response.statusCode = 503
        response.end('down')
      })
      saving.reject(down)
      response.flushHeaders()
      await nextTurn()
      expect([response.headersSent, response.write('a')]).toEqual([false, false])
      response.flushHeaders()
      response.end('b')
      await nextTurn()
      handled.resolve()
    })
    const answer = await converse(port, lastRequest())
    expect(answer).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\nRetry-After: 5\r\n/)
    expect(answer).toMatch(/\r\n\r\ndown$/)
  })

  test('nor does it add to an answer that comes late, and has set only its status yet', async () => {
    const handled = deferred()
    const port = await serve(async (_request, response) => {
      const { saving } = new Keeper(response, 'later', async () => {
        response.statusCode = 503
        await handled.promise
        response.setHeader('Content-Type', 'text/plain')
        response.end('down')
      })
      response.write('a')
      saving.reject(down)
      for (let turn = 0; turn < 3; turn++) {
        await nextTurn()
        response.write('b')
      }
      response.end('c')
      handled.resolve()
    })
    expect(await converse(port, lastRequest())).toMatch(/^HTTP\/1\.1 503 [\s\S]*\r\n\r\ndown$/)
  })

  test.each([
    ['at once', (response: ServerResponse) => response.end('sorry')],
    ['later, when the handler had ended', (response: ServerResponse) => setImmediate(() => response.end('sorry'))],
  ])('an answer to the failure that sets nothing, %s', async (when, answer) => {
    const port = await serve((_request, response) => {
      new Keeper(response, 'later', () => answer(response)).saving.reject(down)
      if (when === 'at once') response.write('a')
      else response.end('a')
    })
    expect(await converse(port, lastRequest())).toMatch(/\r\n\r\nsorry$/)
  })

  test('an answer to the failure that comes late, sets only its status and is written, where a stream was piped', async () => {
    const source = Readable.from(endlessly())
    const port = await serve((_request, response) => {
      const { saving } = new Keeper(response, 'later', async () => {
        await nextTurn()
        response.statusCode = 503
        response.write('sor')
        response.end('ry')
      })
      source.pipe(response)
      setImmediate(() => saving.reject(down))
    })
    expect(await converse(port, lastRequest())).toMatch(
      /^HTTP\/1\.1 503 [\s\S]*\r\n\r\n3\r\nsor\r\n2\r\nry\r\n0\r\n\r\n$/,
    )
  })

  test('nor does one whose write is called back with the failure', async () => {
    const port = await serve((_request, response) => {
      const { saving } = new Keeper(response, 'later')
      response.write('a', () => response.write('b', () => response.end('c')))
      saving.reject(down)
    })
    expect(await converse(port, lastRequest())).toMatch(/503 Service Unavailable[\s\S]*\r\n\r\n4\r\ndown\r\n0\r\n\r\n$/)
  })

  test('what was put over the methods of the response is dropped with it', async () => {
    const port = await serve((_request, response) => {
      const { saving } = new Keeper(response, 'later')
      const { end } = response
      let isOver = false
      response.end = ((...args: Parameters<typeof end>) => {
        if (isOver) throw new Error('This wrapper works once')
        isOver = true
        return end.apply(response, args)
      }) as typeof end
      response.end()
      saving.reject(down)
    })
    expect(await converse(port, lastRequest())).toContain('503 Service Unavailable')
  })

  test('a failure that cannot be answered closes the connection', async () => {
    const port = await serve((_request, response) => {
      const { saving } = new Keeper(response, 'later', () => {
        throw new Error('no answer')
      })
      response.end()
      saving.reject(down)
    })
    await expect(converse(port, lastRequest()))
      .rejects.toThrow('ECONNRESET')
      .catch(() => {})
  })

  test('values changed after the failure are not asked for', async () => {
    let keeper: Keeper | undefined
    const port = await serve((_request, response) => {
      keeper = new Keeper(response, 'later')
      response.end()
      keeper.saving.reject(down)
    })
    await converse(port, lastRequest())
    await nextTurn()
    expect(keeper?.asked).toEqual(['beforeHead', `failed: ${down.message}`])
  })
})

describe('a call that throws only when it is replayed', () => {
  test('fails the response where its head is still open', async () => {
    let keeper: Keeper | undefined
    const port = await serve((_request, response) => {
      keeper = new Keeper(response, 'later')
      response.strictContentLength = true
      response.writeHead(200, { 'Content-Length': 5, Trailer: 'X-T' })
      response.end('a')
      keeper.saving.resolve()
    })
    expect(await converse(port, lastRequest())).toMatch(/^HTTP\/1\.1 503 Service Unavailable\r\n(?!.*Trailer)/)
    expect(keeper?.asked.at(-1)).toMatch(/^failed: /)
  })

  test('breaks the connection where its head has left', async () => {
    let told: unknown
    const port = await serve((_request, response) => {
      const { saving } = new Keeper(response, 'later')
      response.strictContentLength = true
      response.setHeader('Content-Length', 2)
      response.write('a')
      response.write('bcd')
      response.end('e', (error?: unknown) => {
        told = codeOf(error)
      })
      saving.resolve()
    })
    const answer = await converse(port, lastRequest()).catch(codeOf)
    expect(answer).not.toContain('bcd')
    expect(told).toBe('ERR_HTTP_CONTENT_LENGTH_MISMATCH')
  })
})

describe('a client that leaves', () => {
  test('while the response is held: the session is saved, and asked for changes once', async () => {
    const left = deferred()
    const arrived = deferred()
    let keeper: Keeper | undefined
    const port = await serve((_request, response) => {
      keeper = new Keeper(response, 'later')
      response.on('close', left.resolve)
      response.write('a')
      arrived.resolve()
    })
    const socket = connect(port, '127.0.0.1')
    socket.write(lastRequest())
    await arrived.promise
    socket.destroy()
    await left.promise
    expect(keeper?.asked).toEqual(['beforeHead'])
    keeper?.saving.resolve()
    await nextTurn()
    expect(keeper?.asked).toEqual(['beforeHead', 'writeHeaders', 'beforeEnd'])
    keeper?.response.end('b')
    await nextTurn()
    expect(keeper?.asked).toHaveLength(3)
  })

  test('after the head: changes are asked for when the response closes', async () => {
    let keeper: Keeper | undefined
    const port = await serve((_request, response) => {
      keeper = new Keeper(response, 'at once')
      response.write('a')
    })
    const socket = connect(port, '127.0.0.1')
    socket.write(lastRequest())
    await once(socket, 'data')
    expect(keeper?.asked).toEqual(['beforeHead', 'writeHeaders'])
    socket.destroy()
    await expect.poll(() => keeper?.asked).toEqual(['beforeHead', 'writeHeaders', 'beforeEnd'])
    keeper?.response.end()
    expect(keeper?.asked).toHaveLength(3)
  })

  test('and a handler that destroys a held response', async () => {
    let keeper: Keeper | undefined
    const port = await serve((_request, response) => {
      keeper = new Keeper(response, 'later')
      response.end('a')
      response.destroy()
      setImmediate(keeper.saving.resolve)
    })
    await converse(port, lastRequest()).catch(() => '')
    await expect.poll(() => keeper?.asked).toEqual(['beforeHead', 'writeHeaders', 'beforeEnd'])
  })
})

describe('the gate comes late', () => {
  test('after the head: only changes are asked for, and the end waits for them', async () => {
    const stored = deferred()
    let keeper: Keeper | undefined
    const port = await serve((_request, response) => {
      response.write('a')
      keeper = new Keeper(response, 'later')
      keeper.beforeEnd = () => {
        keeper?.asked.push('beforeEnd')
        return stored.promise
      }
      expect(codeOf(() => response.end({}))).toBe('ERR_INVALID_ARG_TYPE')
      expect(keeper.asked).toEqual([])
      response.end('b')
      expect([response.writableEnded, response.writableFinished]).toEqual([true, false])
      response.write('c', () => {})
    })
    const socket = connect(port, '127.0.0.1').setEncoding('latin1')
    socket.write(lastRequest())
    const [first] = await once(socket, 'data')
    expect(first).toMatch(/\r\n1\r\na\r\n$/)
    await sleep(10)
    stored.resolve()
    const [second] = await once(socket, 'data')
    expect(second).toBe('1\r\nb\r\n0\r\n\r\n')
    expect(keeper?.asked).toEqual(['beforeEnd'])
  })

  test('after the end: changes are asked for when it closes', async () => {
    let keeper: Keeper | undefined
    const port = await serve((_request, response) => {
      response.end('a')
      keeper = new Keeper(response, 'later')
      response.end()
      expect(keeper.asked).toEqual([])
    })
    expect(await converse(port, lastRequest())).not.toContain(cookie)
    await expect.poll(() => keeper?.asked).toEqual(['beforeEnd'])
  })

  test('after it closed', async () => {
    let keeper: Keeper | undefined
    const port = await serve(async (_request, response) => {
      response.end('a')
      await once(response, 'close')
      keeper = new Keeper(response, 'later')
    })
    await converse(port, lastRequest())
    await expect.poll(() => keeper?.asked).toEqual(['beforeEnd'])
  })

  test('after it closed, over HTTP/2', async () => {
    let keeper: Keeper | undefined
    const server = http2.createServer((_request, response) => {
      response.write('a')
      response.on('close', () => {
        keeper = new Keeper(response as unknown as ServerResponse, 'later')
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    onTestFinished(() => {
      client.destroy()
      server.close()
    })
    client.request({ ':path': '/' }).once('data', () => client.destroy())
    await expect.poll(() => keeper?.asked).toEqual(['beforeEnd'])
  })
})

describe('changes after the head left', () => {
  test('are asked for once, at the end', async () => {
    const counts: number[] = []
    let keeper: Keeper | undefined
    const port = await serve((_request, response) => {
      keeper = new Keeper(response, 'at once')
      response.write('a')
      counts.push(keeper.asked.length)
      response.end('b')
      counts.push(keeper.asked.length)
      response.end()
    })
    await converse(port, lastRequest())
    expect(counts).toEqual([2, 3])
    expect(keeper?.asked.at(-1)).toBe('beforeEnd')
    expect(keeper?.asked).toHaveLength(3)
  })

  test('are asked for also where the end was held with the head', async () => {
    let keeper: Keeper | undefined
    const port = await serve((_request, response) => {
      keeper = new Keeper(response, 'later')
      response.end('b')
      keeper.saving.resolve()
    })
    await converse(port, lastRequest())
    expect(keeper?.asked).toEqual(['beforeHead', 'writeHeaders', 'beforeEnd'])
  })
})

describe('two sessions on one response', () => {
  test('both are saved before the first byte, and both set their cookies', async () => {
    const port = await serve((_request, response) => {
      const first = new Keeper(response, 'later')
      const second = new Keeper(response, 'later')
      second.writeHeaders = () => {
        response.setHeader('Set-Cookie', [...(response.getHeader('Set-Cookie') as string[]), 'second=1'])
      }
      response.end()
      first.saving.resolve()
      setImmediate(second.saving.resolve)
    })
    expect(await converse(port, lastRequest())).toMatch(/Set-Cookie: session=1\r\nSet-Cookie: second=1\r\n/)
  })

  test('one that comes when the head has left is only asked for changes', async () => {
    let second: Keeper | undefined
    const port = await serve((_request, response) => {
      const first = new Keeper(response, 'later')
      response.write('a')
      second = new Keeper(response, 'later')
      first.saving.resolve()
      setImmediate(() => response.end())
    })
    await converse(port, lastRequest())
    expect(second?.asked).toEqual(['beforeEnd'])
  })

  test('either failure fails the response', async () => {
    const port = await serve((_request, response) => {
      const first = new Keeper(response, 'later')
      const second = new Keeper(response, 'later')
      response.end()
      first.saving.resolve()
      second.saving.reject(down)
    })
    expect(await converse(port, lastRequest())).toMatch(/^HTTP\/1\.1 503 (?:(?!Set-Cookie)[\s\S])*$/)
  })
})

test('a server that stops lets held responses out', async () => {
  const server = createServer((_request, response) => {
    const { saving } = new Keeper(response, 'later')
    response.end('a')
    server.close()
    setTimeout(saving.resolve, 20)
  })
  const port = await serve(server)
  expect(await converse(port, lastRequest())).toMatch(/\r\n\r\na$/)
})

test('half a response has no more methods than before, and none is missed', async () => {
  const headers: Record<string, unknown> = {}
  const half = {
    setHeader(name: string, value: unknown) {
      headers[name] = value
    },
    getHeader: (name: string) => headers[name],
    writeHead() {},
    end() {},
  }
  const names = Object.keys(half)
  for (const when of ['at once', 'later'] as const) {
    const response = { ...half } as unknown as ServerResponse
    const keeper = new Keeper(response, when)
    response.writeHead(...([] as unknown as [number]))
    keeper.saving.resolve()
    await nextTurn()
    response.end()
    expect(Object.keys(response).filter((name) => name !== 'statusCode')).toEqual(names)
    expect(headers['Set-Cookie']).toContain('session=1')
  }
})

test('half a response that cannot be saved', async () => {
  const half = { writeHead() {}, end() {} } as unknown as ServerResponse
  let failure: unknown
  gate(half, onEntry(half), {
    beforeHead: () => Promise.reject(down),
    writeHeaders() {},
    beforeEnd: () => undefined,
    failed(error) {
      failure = error
    },
  })
  half.writeHead(200)
  await nextTurn()
  expect(failure).toBe(down)
})
