import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { answerOf, codeOf, cookie, headerLines, Keeper } from '../../test/harness/gatekeeper.js'
import { converse, lastRequest, serve } from '../../test/harness/http.js'

describe('nothing leaves before the session is saved', () => {
  const beginnings: [string, (response: ServerResponse) => unknown][] = [
    ['writeHead', (r) => r.writeHead(200)],
    ['write', (r) => r.write('a')],
    ['end', (r) => r.end('a')],
    ['flushHeaders', (r) => r.flushHeaders()],
    ['a piped stream', (r) => Readable.from(['a']).pipe(r)],
    ['pipeline', (r) => pipeline(Readable.from(['a']), r)],
  ]

  test.each(beginnings)('%s', async (_, begin) => {
    let keeper: Keeper | undefined
    const port = await serve((_request, response) => {
      keeper = new Keeper(response, 'later')
      begin(response)
    })
    const socket = connect(port, '127.0.0.1').setEncoding('latin1')
    socket.write(lastRequest())
    let received = ''
    socket.on('data', (chunk) => {
      received += chunk
    })
    await expect.poll(() => keeper?.asked).toEqual(['beforeHead'])
    await sleep(20)
    expect(received).toBe('')
    keeper?.saving.resolve()
    await expect.poll(() => keeper?.asked).toContain('writeHeaders')
    if (!keeper?.response.writableEnded) keeper?.response.end()
    await once(socket, 'close')
    expect(received).toContain('HTTP/1.1 200 OK')
    expect(received).toContain(cookie)
    expect(keeper?.asked.filter((call) => call === 'beforeHead')).toHaveLength(1)
  })
})

test('what was held is replayed in order', async () => {
  const answer = await answerOf((response, { saving }) => {
    response.writeHead(201, { 'Content-Type': 'text/plain' })
    response.flushHeaders()
    response.write('a')
    response.write(Buffer.from('b'))
    response.write('63', 'hex')
    response.end('d')
    saving.resolve()
  })
  expect(answer).toMatch(/^HTTP\/1\.1 201 Created\r\nContent-Type: text\/plain\r\nSet-Cookie: session=1\r\n/)
  expect(answer).toMatch(/\r\n1\r\na\r\n1\r\nb\r\n1\r\nc\r\n1\r\nd\r\n0\r\n\r\n$/)
})

test('while it is held, a response reads as if its bytes had left', async () => {
  const seen: Record<string, unknown> = {}
  let highWaterMark = 0
  await answerOf((response, { saving }) => {
    highWaterMark = response.writableHighWaterMark
    seen.before = [response.headersSent, response.writableEnded, response.writableNeedDrain, response.writableLength]
    seen.write = response.write('abc')
    seen.written = [response.headersSent, response.writableEnded, response.writableNeedDrain, response.writableLength]
    seen.writeMuch = response.write(Buffer.alloc(response.writableHighWaterMark))
    seen.full = [response.headersSent, response.writableEnded, response.writableNeedDrain]
    seen.end = response.end('d') === response
    seen.ended = [response.headersSent, response.writableEnded, response.writableNeedDrain, response.writableLength]
    seen.finished = response.writableFinished
    saving.resolve()
  })
  expect(seen).toEqual({
    before: [false, false, false, 0],
    write: true,
    written: [true, false, false, 3],
    writeMuch: false,
    full: [true, false, true],
    end: true,
    ended: [true, true, false, highWaterMark + 4],
    finished: false,
  })
})

test('while it is held, the status reads as it was given', async () => {
  const looks: unknown[] = []
  const answer = await answerOf((response, { saving }) => {
    response.writeHead(201, 'Made')
    looks.push(response.statusCode, response.statusMessage)
    response.end()
    saving.resolve()
  })
  expect(looks).toEqual([201, 'Made'])
  expect(answer).toMatch(/^HTTP\/1\.1 201 Made\r\n/)
})

test('while it is held, the head can no longer be changed', async () => {
  const attempts: [string, (response: ServerResponse) => unknown][] = [
    ['setHeader', (r) => r.setHeader('X-A', '1')],
    ['appendHeader', (r) => r.appendHeader('X-A', '1')],
    ['setHeaders', (r) => r.setHeaders(new Map([['X-A', '1']]))],
    ['removeHeader', (r) => r.removeHeader('X-B')],
    ['writeHead', (r) => r.writeHead(200)],
  ]
  const errors: unknown[] = []
  const answer = await answerOf((response, { saving }) => {
    response.setHeader('X-B', '2')
    response.write('a')
    for (const [name, attempt] of attempts) errors.push([name, codeOf(() => attempt(response))])
    response.statusCode = 404
    response.end()
    saving.resolve()
  })
  expect(errors).toEqual(attempts.map(([name]) => [name, 'ERR_HTTP_HEADERS_SENT']))
  expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\nX-B: 2\r\n/)
})

test('drain follows, finish and close come once, callbacks are called', async () => {
  const events: string[] = []
  let over: Promise<unknown> | undefined
  await answerOf(async (response, { saving }) => {
    for (const event of ['drain', 'finish', 'close']) response.on(event, () => events.push(event))
    over = once(response, 'close')
    const hasRoom = response.write('a'.repeat(100_000), () => events.push('written'))
    setImmediate(saving.resolve)
    if (!hasRoom) await once(response, 'drain')
    response.end('b', () => events.push('ended'))
  })
  await over
  expect(events.toSorted()).toEqual(['close', 'drain', 'ended', 'finish', 'written'])
})

test('drain follows what was written at one go, between cork and uncork', async () => {
  let drains = 0
  await answerOf(async (response, { saving }) => {
    response.on('drain', () => {
      drains++
      response.end()
    })
    response.cork()
    expect(response.write('a'.repeat(100_000))).toBe(false)
    response.uncork()
    saving.resolve()
  }, lastRequest('HEAD'))
  expect(drains).toBe(1)
})

test('drain follows where Node drops what is written, but not once the response has ended', async () => {
  for (const endsFirst of [false, true]) {
    let drains = 0
    await answerOf(async (response, { saving }) => {
      response.on('drain', () => {
        drains++
        if (!response.writableEnded) response.end()
      })
      expect(response.write('a'.repeat(100_000))).toBe(false)
      saving.resolve()
      await saving.promise
      if (endsFirst) response.end()
    }, lastRequest('HEAD'))
    expect(drains).toBe(endsFirst ? 0 : 1)
  }
})

describe('headers given to writeHead keep their cookies, and ours joins them', () => {
  const two = ['a=1', 'b=2']
  const forms: [string, unknown[]][] = [
    ['an object', [{ 'Set-Cookie': two }]],
    ['an object after a message', ['Fine', { 'Set-Cookie': two }]],
    ['a flat array', [['Set-Cookie', 'a=1', 'X-A', '1', 'Set-Cookie', 'b=2']]],
    [
      'an array of pairs',
      [
        [
          ['Set-Cookie', 'a=1'],
          ['Set-Cookie', 'b=2'],
        ],
      ],
    ],
  ]
  test.each(forms)('%s', async (_, rest) => {
    for (const when of ['at once', 'later'] as const) {
      const port = await serve((_request, response) => {
        const { saving } = new Keeper(response, when)
        response.setHeader('Set-Cookie', 'overwritten=1')
        response.writeHead(200, ...(rest as []))
        response.end()
        saving.resolve()
      })
      const answer = await converse(port, lastRequest())
      expect(headerLines(answer, 'set-cookie')).toEqual(['Set-Cookie: a=1', 'Set-Cookie: b=2', cookie])
    }
  })
})

describe('what Node would refuse is refused at the call', () => {
  const refused: [string, (response: ServerResponse) => unknown, string][] = [
    ['a status out of range', (r) => r.writeHead(99), 'ERR_HTTP_INVALID_STATUS_CODE'],
    ['a status that is no number', (r) => r.writeHead('a' as never), 'ERR_HTTP_INVALID_STATUS_CODE'],
    ['an implicit status', (r) => Object.assign(r, { statusCode: 1000 }).end(), 'ERR_HTTP_INVALID_STATUS_CODE'],
    ['a message', (r) => r.writeHead(200, 'a\nb'), 'ERR_INVALID_CHAR'],
    ['an implicit message', (r) => Object.assign(r, { statusMessage: 'a\nb' }).write('a'), 'ERR_INVALID_CHAR'],
    ['a message set before', (r) => Object.assign(r, { statusMessage: 'a\nb' }).writeHead(200), 'ERR_INVALID_CHAR'],
    ['a header name', (r) => r.writeHead(200, { 'a b': '1' }), 'ERR_INVALID_HTTP_TOKEN'],
    ['a header value', (r) => r.writeHead(200, { a: 'b\n' }), 'ERR_INVALID_CHAR'],
    ['an undefined header value', (r) => r.writeHead(200, { a: undefined }), 'ERR_HTTP_INVALID_HEADER_VALUE'],
    ['an array without its last value', (r) => r.writeHead(200, ['a']), 'ERR_INVALID_ARG_VALUE'],
    ['null', (r) => r.write(null), 'ERR_STREAM_NULL_VALUES'],
    ['nothing', (r) => r.write(undefined), 'ERR_INVALID_ARG_TYPE'],
    ['a number', (r) => r.write(1), 'ERR_INVALID_ARG_TYPE'],
    ['an object at the end', (r) => r.end({}), 'ERR_INVALID_ARG_TYPE'],
  ]

  test.each(refused)('%s', async (_, attempt, code) => {
    const native = await messageAndAnswer(attempt)
    const held = await messageAndAnswer(attempt, (response) => new Keeper(response, 'later'))
    expect(held.code).toBe(code)
    expect([held.code, held.message]).toEqual([native.code, native.message])
    expect(held.answer).toMatch(/^HTTP\/1\.1 500 Internal Server Error\r\n/)
    expect(held.answer).toContain(cookie)
  })

  /** The error that a handler sees, and what the client gets when the handler then answers 500. */
  async function messageAndAnswer(
    attempt: (response: ServerResponse) => unknown,
    put?: (response: ServerResponse) => Keeper,
  ) {
    let refusal: { code?: string; message?: string } = {}
    const port = await serve((_request, response) => {
      const keeper = put?.(response)
      try {
        attempt(response)
      } catch (error) {
        refusal = error as Error
      }
      expect(response.headersSent).toBe(false)
      expect(keeper?.asked ?? []).toEqual([])
      response.writeHead(500, 'Internal Server Error').end()
      keeper?.saving.resolve()
    })
    const answer = await converse(port, lastRequest())
    return { code: refusal.code, message: refusal.message, answer }
  }

  test('a bad chunk after others, while they are held', async () => {
    const codes: unknown[] = []
    await answerOf((response, { saving }) => {
      response.write('a')
      codes.push(codeOf(() => response.write(1)))
      codes.push(codeOf(() => response.end({})))
      response.end()
      saving.resolve()
    })
    expect(codes).toEqual(['ERR_INVALID_ARG_TYPE', 'ERR_INVALID_ARG_TYPE'])
  })

  test('a write after the end', async () => {
    const errors: unknown[] = []
    const answer = await answerOf((response, { saving }) => {
      response.on('error', (error) => errors.push(codeOf(error)))
      response.end('a')
      response.write('b', (error) => errors.push(codeOf(error)))
      response.end('c')
      saving.resolve()
    })
    expect(errors).toEqual(Array(3).fill('ERR_STREAM_WRITE_AFTER_END'))
    expect(answer).toMatch(/\r\n\r\na$/)
  })
})

describe('a response whose session is saved at once', () => {
  test('is what Node makes it, within the same turn', async () => {
    const looks: unknown[] = []
    const port = await serve((_request, response) => {
      const keeper = new Keeper(response, 'at once')
      const prototype = Object.getPrototypeOf(response)
      response.end('x')
      looks.push(response.headersSent, response.writableEnded, Object.getPrototypeOf(response) === prototype)
      looks.push(...keeper.asked)
    })
    const answer = await converse(port, lastRequest())
    expect(answer).toMatch(/\r\nContent-Length: 1\r\n\r\nx$/)
    expect(looks).toEqual([true, true, true, 'beforeHead', 'writeHeaders'])
  })

  test('writes as Node writes', async () => {
    const port = await serve((_request, response) => {
      new Keeper(response, 'at once')
      expect(response.write('a')).toBe(true)
      response.end('b')
    })
    expect(await converse(port, lastRequest())).toMatch(/\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n$/)
  })
})

test('a single chunk gets its Content-Length although it was held', async () => {
  const answer = await answerOf((response, { saving }) => {
    response.end('x')
    saving.resolve()
  })
  expect(answer).toMatch(/\r\nContent-Length: 1\r\n\r\nx$/)
})
