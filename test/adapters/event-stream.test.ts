import express from 'express'
import { Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import { createSessions } from 'sojourn'
import { session } from 'sojourn/express'
import { session as honoSession } from 'sojourn/hono'
import { memoryStore } from 'sojourn/stores/memory'
import { describe, expect, test } from 'vitest'
import { serve } from '../harness/http.js'

const store = memoryStore()
const sessions = createSessions({ store })
/** As in another server of the company. */
const elsewhere = createSessions({ store })

async function onExpress(headers: Record<string, string>): Promise<Response> {
  const app = express()
  app.use(session(sessions))
  app.get('/events', (req, res) => {
    res.writeHead(200, { 'Content-Type': 'text/event-stream' })
    res.write(`data: hello ${req.session.userId}\n\n`)
    res.on(
      'close',
      sessions.follow(req.session, () => res.end()),
    )
  })
  return fetch(`http://localhost:${await serve(app)}/events`, { headers })
}

async function onHono(headers: Record<string, string>): Promise<Response> {
  const app = new Hono()
  app.use(honoSession(sessions))
  app.get('/events', (c) =>
    streamSSE(c, async (stream) => {
      await stream.writeSSE({ data: `hello ${c.var.session.userId}` })
      await new Promise<void>((resolve) => stream.onAbort(sessions.follow(c.var.session, resolve)))
    }),
  )
  return app.request('http://localhost/events', { headers })
}

describe.each([
  ['Express', onExpress],
  ['Hono', onHono],
])('an event stream, with %s', (_name, open) => {
  test.each([
    ['is ended', async (id: string) => void (await sessions.end(id))],
    ['is ended by another server', async (id: string) => void (await elsewhere.end(id))],
  ])('is closed within a second when its session %s', async (_what, end) => {
    const { headers, session } = await sessions.create({ userId: 'ann' })
    const response = await open(headers)
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    expect((await reader?.read())?.value).toBe('data: hello ann\n\n')
    const start = performance.now()
    await end(session.id)
    while (!(await reader?.read())?.done);
    expect(performance.now() - start).toBeLessThan(1000)
  })
})
