/**
 * The gate against Node itself: whatever a handler calls and whenever the session is saved, the bytes on the wire are
 * those of a response without a gate, but for the cookie.
 */
import { createServer, ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectGate, inheritedHooks, prepareResponses } from './gate/inherited-hooks.js'
import { type Gatekeeper, onEntry, type PlacedGate, placeGate } from './gate.js'

type Step = (response: ServerResponse, note: (event: string) => void) => unknown
type Saving = 'none' | 'at once' | 'in a microtask' | 'in a turn' | 'in milliseconds' | 'throws' | 'rejects'

interface Scenario {
  readonly method: string
  readonly version: string
  readonly steps: readonly { readonly name: string; readonly run: Step }[]
  /** Before which step the gate is put up. */
  readonly gateAt: number
  /** Whether the response inherits its hooks, as those of Express do. */
  readonly inherits: boolean
  /** Whether somebody wraps `writeHead`, and asks for the session there. */
  readonly wrapsHead: boolean
}

const cookie = 'Set-Cookie: session=1'
const statuses = [200, 201, 204, 304, 404, 500, 99, 1000]
const chunks = ['', 'abc', 'ünï', Buffer.from('buffer'), 'x'.repeat(20_000), null, 123, undefined]
const heads: unknown[][] = [
  [],
  ['Fine'],
  [{ 'X-A': '1', 'Set-Cookie': ['a=1', 'b=2'] }],
  ['Fine', { 'Content-Length': 3 }],
  [['X-A', '1', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2']],
  [['X-A']],
  [{ 'X-A': undefined }],
  [{ 'bad name': '1' }],
  ['Fine', ['Content-Type', 'text/html']],
]
const headers: [string, string | string[]][] = [
  ['X-A', '2'],
  ['Content-Type', 'text/plain'],
  ['Set-Cookie', ['c=3', 'd=4']],
  ['Content-Length', '5'],
  ['Connection', 'close'],
]

const step = (name: string, run: Step) => ({ name, run })
const steps = fc.oneof(
  {
    weight: 2,
    arbitrary: fc
      .constantFrom(...headers)
      .map(([name, value]) => step(`setHeader ${name}`, (r) => r.setHeader(name, structuredClone(value)))),
  },
  fc
    .constantFrom(...headers)
    .map(([name, value]) => step(`appendHeader ${name}`, (r) => r.appendHeader(name, structuredClone(value)))),
  fc.constantFrom(...headers).map(([name]) => step(`removeHeader ${name}`, (r) => r.removeHeader(name))),
  fc.constantFrom(...statuses).map((status) => step(`status ${status}`, (r) => (r.statusCode = status))),
  fc
    .constantFrom('Good', 'Better')
    .map((text) => step(`message ${JSON.stringify(text)}`, (r) => (r.statusMessage = text))),
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom(...statuses), fc.constantFrom(...heads))
      .map(([status, rest]) =>
        step(`writeHead ${status} ${JSON.stringify(rest)}`, (r) =>
          r.writeHead(status, ...(structuredClone(rest) as [])),
        ),
      ),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(fc.constantFrom(...chunks), fc.boolean()).map(([chunk, calls]) =>
      step(`write ${describe(chunk)}${calls ? ' callback' : ''}`, (r, note) => {
        if (calls) r.write(chunk, (error) => note(`written ${describe(chunk)} ${code(error)}`))
        else r.write(chunk)
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constantFrom(...chunks), fc.boolean()).map(([chunk, calls]) =>
      step(`end ${describe(chunk)}${calls ? ' callback' : ''}`, (r, note) => {
        if (r.writableEnded) r.end()
        else if (calls) r.end(chunk, () => note(`ended ${describe(chunk)}`))
        else r.end(chunk)
      }),
    ),
  },
  fc.constant(step('flushHeaders', (r) => r.flushHeaders())),
  fc.constant(step('cork', (r) => r.writableEnded || r.cork())),
  fc.constant(step('uncork', (r) => r.writableCorked > 0 && r.uncork())),
  fc.constant(step('early hints', (r) => r.headersSent || r.writeEarlyHints({ link: '</a.css>; rel=preload' }))),
  fc.constant(step('processing', (r) => r.headersSent || r.writeProcessing())),
  fc.constant(step('addTrailers', (r) => r.writableEnded || r.addTrailers({ 'X-T': '1' }))),
  fc.constant(step('look', (r, note) => note(`looks ${r.headersSent || r.getHeader('x-a')} ${r.writableEnded}`))),
  { weight: 2, arbitrary: fc.constant(step('turn', () => nextTurn())) },
  fc.integer({ min: 1, max: 3 }).map((ms) => step(`wait ${ms}`, () => sleep(ms))),
)

const lastStep = step('end at last', (r) => {
  if (!r.headersSent) r.writeHead(500, 'Made up', { 'Content-Length': 0 })
  if (!r.writableEnded) r.end()
})

const scenarios: fc.Arbitrary<Scenario> = fc.record({
  method: fc.constantFrom('GET', 'GET', 'HEAD'),
  version: fc.constantFrom('1.1', '1.1', '1.0'),
  steps: fc.array(steps, { maxLength: 10 }),
  gateAt: fc.nat(4),
  inherits: fc.boolean(),
  wrapsHead: fc.boolean(),
})

const inherited = Object.create(ServerResponse.prototype)
prepareResponses(inherited)

/** What the next request is answered with, and what the test gets to know of it. */
let current: { plan: Scenario; saving: Saving; events: string[]; isOver: () => void }

const server = createServer(async (request, response) => {
  response.sendDate = false
  if (request.url === '/after') return response.end('after')
  const { plan, saving, events, isOver } = current
  const note = (event: string) => events.push(event)
  const closed = new Promise((resolve) => response.on('close', resolve))
  for (const event of ['finish', 'close'] as const) response.on(event, () => note(event))
  response.on('error', () => {})
  if (plan.inherits) Object.setPrototypeOf(response, inherited)
  const entry = onEntry(response)
  let gate: PlacedGate | undefined
  function placed(): PlacedGate {
    gate ??= placeGate(response, entry, keeperOf(response, saving, note), inheritedHooks)
    return gate
  }
  if (saving !== 'none' && plan.inherits) expectGate(response, { isExpected: true, placeGate: placed })
  if (plan.inherits && plan.wrapsHead) {
    const { writeHead } = response
    response.writeHead = function (this: ServerResponse, ...args: unknown[]) {
      if (saving !== 'none') placed().watch()
      return writeHead.apply(this, args as Parameters<typeof writeHead>)
    } as typeof writeHead
  }
  for (const [index, { name, run }] of [...plan.steps, lastStep].entries()) {
    if (saving !== 'none' && index === Math.min(plan.gateAt, plan.steps.length)) placed().watch()
    try {
      await run(response, note)
    } catch (error) {
      note(`${name} threw ${code(error)}`)
      if (!response.writableEnded) lastStep.run(response, note)
      break
    }
  }
  await closed
  await sleep(1)
  isOver()
})

function keeperOf(response: ServerResponse, saving: Saving, note: (event: string) => void): Gatekeeper {
  let asked = 0
  return {
    beforeHead() {
      if (asked++ > 0) throw new Error('beforeHead was called twice')
      if (saving === 'throws') throw new Error('the store is down')
      if (saving === 'rejects') return nextTurn().then(() => Promise.reject(new Error('the store is down')))
      if (saving === 'in a microtask') return Promise.resolve()
      if (saving === 'in a turn') return nextTurn()
      if (saving === 'in milliseconds') return sleep(2)
      return undefined
    },
    writeHeaders: () => void response.appendHeader('Set-Cookie', 'session=1'),
    beforeEnd: () => (saving === 'in a turn' ? nextTurn() : undefined),
    failed() {
      note('failed')
      response.writeHead(503, { 'Content-Length': 4 }).end('down')
    },
  }
}

beforeAll(() => new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve)))
afterAll(() => void server.close())

const numRuns = Number(process.env.RUNS ?? 500)

test('a response behind the gate sends what Node sends', async () => {
  const savings = fc.constantFrom<Saving>('at once', 'in a microtask', 'in a turn', 'in milliseconds')
  await fc.assert(
    fc.asyncProperty(scenarios, savings, async (plan, saving) => {
      expect(await exchange(plan, saving)).toEqual(await exchange(plan, 'none'))
    }),
    { numRuns },
  )
}, 300_000)

test('a response that cannot be saved leaves nothing but the failure', async () => {
  const savings = fc.constantFrom<Saving>('throws', 'rejects')
  const clean = await exchange(
    { method: 'GET', version: '1.1', steps: [], gateAt: 0, inherits: false, wrapsHead: false },
    'throws',
  )
  expect(clean.lines).toContain('HTTP/1.1 503 Service Unavailable')
  await fc.assert(
    fc.asyncProperty(scenarios, savings, async (plan, saving) => {
      const { lines, events } = await exchange({ ...plan, method: 'GET', version: '1.1', gateAt: 0 }, saving)
      const answer = lines.slice(lines.indexOf('HTTP/1.1 503 Service Unavailable'))
      expect(answer.filter(isNotKeepAlive)).toEqual(clean.lines.filter(isNotKeepAlive))
      expect(events.filter((event) => ['failed', 'finish', 'close'].includes(event))).toEqual(clean.events)
    }),
    { numRuns },
  )
}, 300_000)

/** Node no longer says that it keeps the connection, once a handler set `Connection` and it was removed again. */
function isNotKeepAlive(line: string): boolean {
  return !/^(connection: )?keep-alive/i.test(line)
}

async function exchange(plan: Scenario, saving: Saving) {
  const events: string[] = []
  const over = new Promise<void>((resolve) => {
    current = { plan, saving, events, isOver: resolve }
  })
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const keepAlive = plan.version === '1.0' ? 'Connection: keep-alive\r\n' : ''
  socket.write(`${plan.method} / HTTP/${plan.version}\r\nHost: a\r\n${keepAlive}\r\n`)
  socket.write('GET /after HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  socket.setTimeout(500, () => {
    events.push('hung')
    socket.destroy()
  })
  let bytes = ''
  socket.setEncoding('latin1').on('data', (chunk) => {
    bytes += chunk
  })
  await Promise.all([over, new Promise((resolve) => socket.on('close', resolve))])
  return { lines: bytes.split('\r\n').filter((line) => line !== cookie), events: events.sort() }
}

function describe(chunk: unknown): string {
  return typeof chunk === 'string'
    ? JSON.stringify(chunk.slice(0, 9))
    : chunk instanceof Buffer
      ? 'buffer'
      : String(chunk)
}

function code(error: unknown): string {
  return error ? ((error as { code?: string }).code ?? String(error)) : 'fine'
}
