import { once } from 'node:events'
import net, { type AddressInfo, connect, createServer, type LookupFunction, type Socket } from 'node:net'
import Memcached from 'memcached'
import { Client as Memjs } from 'memjs'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { describeWith } from '../../test/harness/describe-with.js'
import { startMemcached } from '../../test/harness/memcached.js'
import { startProxy, type TcpProxy } from '../../test/harness/proxy.js'
import type { Server } from '../../test/harness/server.js'
import { expectLikeTheModel } from '../../test/stores/model.js'
import { storeChecks } from '../conformance/store.js'
import type { SessionRecord } from '../core/store.js'
import { type MemcachedStoreOptions, memcachedStore } from './memcached.js'

type AnyClient = MemcachedStoreOptions['client']

type Lookup = (error: Error | null, addresses: { address: string; family: number }[]) => void

const quiet = { log() {} }
const day = 24 * 60 * 60 * 1000

const clients: Record<string, (address: string) => { client: AnyClient; close(): void }> = {
  memjs(address) {
    const client = Memjs.create(address, { logger: quiet, timeout: 2 })
    return { client, close: () => client.close() }
  },
  memcached(address) {
    const client = new Memcached(address, { retries: 0, retry: 100, failures: 1_000_000 })
    return { client, close: () => client.end() }
  },
}

const record = (change: Partial<SessionRecord> = {}): SessionRecord => ({
  values: { a: '1' },
  userId: 'ann',
  createdAt: Date.now(),
  expiresAt: Date.now() + day,
  ...change,
})

await describeWith(['memcached'], 'Memcached', () => {
  let server: Server
  beforeAll(async () => {
    server = await startMemcached()
  })
  afterAll(() => server.stop())
  const address = () => `${server.host}:${server.port}`

  describe.each(Object.keys(clients))('through %s', (name) => {
    let opened: ReturnType<(typeof clients)[string]>
    beforeAll(() => {
      opened = (clients[name] as (typeof clients)[string])(address())
    })
    afterAll(() => opened.close())
    const storeOf = (prefix: string) => memcachedStore({ client: opened.client, prefix })

    for (const { name, run } of storeChecks({ makeStore: ({ name }) => storeOf(name) })) test(name, run)

    test('any sequence of calls answers as the model does', () => {
      let run = 0
      return expectLikeTheModel(() => storeOf(`model-${name}-${process.pid}-${++run}:`), 100)
    })

    test('a session lasts five minutes longer than the engine lets it live, also beyond thirty days', async () => {
      const store = storeOf(`expiry-${name}:`)
      for (const days of [1, 60]) {
        await store.create(`${days}`, record({ expiresAt: Date.now() + days * day }))
        expect(await secondsLeft(server, `expiry-${name}:${days}`)).toBeCloseTo(days * 86_400 + 300, -1)
        await store.patch(`${days}`, { now: Date.now(), expiresAt: Date.now() + 2 * days * day })
        expect(await secondsLeft(server, `expiry-${name}:${days}`)).toBeCloseTo(2 * days * 86_400 + 300, -1)
      }
    })

    test('a patch that changes nothing writes nothing', async () => {
      const store = storeOf(`nothing-${name}:`)
      await store.create('a', record())
      const writes = await countOf(server, 'cas_hits')
      expect(await store.patch('a', { now: Date.now(), set: { a: '1' }, unset: ['b'] })).toBe('applied')
      expect(await countOf(server, 'cas_hits')).toBe(writes)
    })

    test('a session is refused where Memcached could not hold it, up to the byte', async () => {
      const store = storeOf(`large-${name}:`)
      const tooLarge = expect.objectContaining({
        code: 'record_too_large',
        message: expect.stringContaining('1048576'),
      })
      const of = (length: number) => record({ values: { large: 'x'.repeat(length) } })
      const most = 1_048_576 - 64 - `large-${name}:a`.length - JSON.stringify(of(0)).length
      await expect(store.create('a', of(most + 1))).rejects.toEqual(tooLarge)
      expect(await store.create('a', of(most))).toBe(true)
      await expect(store.patch('a', { now: Date.now(), set: { a: '2' } })).rejects.toEqual(tooLarge)
      expect((await store.read('a'))?.values.large?.length).toBe(most)
      expect(await store.create('b', record())).toBe(true)
    })

    test('a server that takes less than it was said to is an error, and not a session', async () => {
      const small = await startMemcached({ own: true, args: ['-I', '64k', '-o', 'slab_chunk_max=16384'] })
      const { client, close } = (clients[name] as (typeof clients)[string])(`${small.host}:${small.port}`)
      const store = memcachedStore({ client })
      await expect(store.create('a', record({ values: { large: 'x'.repeat(200_000) } }))).rejects.toThrow()
      await vi.waitFor(async () => expect(await store.read('a')).toBe(null), { timeout: 10_000 })
      expect(await memcachedStore({ client, maxItemBytes: 65_536 }).create('a', record())).toBe(true)
      close()
      await small.stop()
    })

    test('a change for which the server has no room leaves the session as it was', async () => {
      const small = await startMemcached({ own: true, args: ['-I', '64k', '-o', 'slab_chunk_max=16384'] })
      const { client, close } = (clients[name] as (typeof clients)[string])(`${small.host}:${small.port}`)
      const store = memcachedStore({ client })
      await store.create('a', record())
      const patch = { now: Date.now(), set: { large: 'x'.repeat(200_000) } }
      await expect(store.patch('a', patch)).rejects.toThrow()
      await vi.waitFor(async () => expect((await store.read('a'))?.values).toEqual({ a: '1' }), { timeout: 10_000 })
      close()
      await small.stop()
    })

    test('a server whose items have no mark to compare is an error', async () => {
      const plain = await startMemcached({ own: true, args: ['-C'] })
      const { client, close } = (clients[name] as (typeof clients)[string])(`${plain.host}:${plain.port}`)
      const store = memcachedStore({ client })
      await store.create('a', record())
      await expect(store.patch('a', { now: Date.now(), set: { a: '2' } })).rejects.toEqual(
        expect.objectContaining({ code: 'store_misconfigured', message: expect.stringContaining('-C') }),
      )
      close()
      await plain.stop()
    })

    test('one that is not a session is an error that names the prefix', async () => {
      await say(server, `set other-${name}:a 0 60 5\r\nhello`, /STORED/)
      await expect(storeOf(`other-${name}:`).read('a')).rejects.toEqual(
        expect.objectContaining({ code: 'store_misconfigured', message: expect.stringContaining('"prefix"') }),
      )
    })

    test('two stores that change one session without a pause lose nothing', async () => {
      const stores = [storeOf(`two-${name}:`), storeOf(`two-${name}:`), storeOf(`two-${name}:`)]
      await stores[0]?.create('a', record({ values: {} }))
      const names = Array.from({ length: 60 }, (_, index) => `by ${index}`)
      const patch = (name: string, index: number) =>
        stores[index % 3]?.patch('a', { now: Date.now(), set: { [name]: '1' } })
      expect(new Set(await Promise.all(names.map(patch)))).toEqual(new Set(['applied']))
      expect(Object.keys((await stores[0]?.read('a'))?.values ?? {}).sort()).toEqual(names.sort())
    })

    test('an outage is an error, within seconds, and over when the server is back', async () => {
      const own = await startMemcached({ own: true })
      const proxy: TcpProxy = await startProxy(own)
      const { client, close } = (clients[name] as (typeof clients)[string])(`${proxy.host}:${proxy.port}`)
      const store = memcachedStore({ client })
      await store.create('a', record())
      proxy.cut()
      await expect(store.read('a')).rejects.toThrow()
      await expect(store.patch('a', { now: Date.now(), set: { b: '1' } })).rejects.toThrow()
      proxy.restore()
      await vi.waitFor(async () => store.read('a'), { timeout: 10_000, interval: 100 })
      proxy.stall()
      const waiting = [store.patch('a', { now: Date.now(), set: { b: '1' } }), store.delete('b'), store.read('a')]
      for (const settled of await Promise.allSettled(waiting)) expect(settled.status).toBe('rejected')
      proxy.restore()
      await vi.waitFor(
        async () => expect(await store.patch('a', { now: Date.now(), set: { c: '1' } })).toBe('applied'),
        {
          timeout: 10_000,
          interval: 100,
        },
      )
      close()
      await proxy.stop()
      await own.stop()
    })

    test('a connection that hangs is given up, also while requests come without a pause', async () => {
      const proxy = await startProxy(server)
      const { client, close } = (clients[name] as (typeof clients)[string])(`${proxy.host}:${proxy.port}`)
      const store = memcachedStore({ client, prefix: `hangs-${name}:` })
      await store.create('a', record())
      proxy.strand()
      let answered = false
      const read = () =>
        Promise.resolve(store.read('a')).then(
          () => {
            answered = true
          },
          () => {},
        )
      const traffic = setInterval(read, 20)
      await vi.waitFor(() => expect(answered).toBe(true), { timeout: 15_000, interval: 50 })
      clearInterval(traffic)
      close()
      await proxy.stop()
    })

    test('a server that hangs is not asked for more and more connections', async () => {
      const own = await startMemcached({ own: true })
      const { client, close } = (clients[name] as (typeof clients)[string])(`${own.host}:${own.port}`)
      const store = memcachedStore({ client })
      await store.create('a', record())
      const sockets = () => process.getActiveResourcesInfo().filter((resource) => resource === 'TCPSocketWrap').length
      const before = sockets()
      process.kill(own.pid as number, 'SIGSTOP')
      // One may be quicker than the signal.
      await vi.waitFor(() => expect(store.read('a')).rejects.toThrow(), { timeout: 30_000 })
      for (let attempt = 0; attempt < 3; attempt++) await expect(store.read('a')).rejects.toThrow()
      // One for what comes next may be there.
      expect(sockets()).toBeLessThanOrEqual(before + 1)
      close()
      process.kill(own.pid as number, 'SIGCONT')
      await own.stop()
    })

    test('a connection that breaks in the middle of an answer spoils no later one', async () => {
      const network = await startCutter(server)
      const { client, close } = (clients[name] as (typeof clients)[string])(network.address)
      const store = memcachedStore({ client, prefix: `half-${name}:` })
      await store.create('large', record({ values: { large: 'x'.repeat(500_000) } }))
      await store.create('small', record())
      network.cutAfter(10_000)
      await expect(store.read('large')).rejects.toThrow()
      await vi.waitFor(async () => expect((await store.read('small'))?.values).toEqual({ a: '1' }), { timeout: 10_000 })
      for (const _ of [1, 2, 3]) expect((await store.read('small'))?.values).toEqual({ a: '1' })
      close()
      network.stop()
    })
  })

  test.each([0, 1, 100])(
    'memjs tells at once of a server that closes after %d bytes of an answer, and goes on',
    async (part) => {
      const network = await startCutter(server)
      const { client, close } = (clients.memjs as (typeof clients)[string])(network.address)
      const store = memcachedStore({ client, prefix: `closes-${part}:` })
      for (const id of ['a', 'b']) await store.create(id, record({ userId: id }))
      network.cutAfter(part)
      const before = performance.now()
      await expect(store.read('a')).rejects.toThrow('closed')
      expect(performance.now() - before).toBeLessThan(1_000)
      for (const id of ['b', 'a']) expect((await store.read(id))?.userId).toBe(id)
      close()
      network.stop()
    },
  )

  test.each([0, 100])(
    'memjs goes on at once after a connection that was reset after %d bytes of an answer',
    async (part) => {
      const network = await startCutter(server, { resets: true })
      const { client, close } = (clients.memjs as (typeof clients)[string])(network.address)
      const store = memcachedStore({ client, prefix: `reset-${part}:` })
      for (const id of ['a', 'b']) await store.create(id, record({ userId: id }))
      network.cutAfter(part)
      const before = performance.now()
      // In the very turn of the error, when the connection that was lost has not told yet that it is closed.
      const again = Promise.resolve(store.read('a')).catch(() => store.read('b'))
      expect((await again)?.userId).toBe('b')
      expect((await store.read('a'))?.userId).toBe('a')
      expect(performance.now() - before).toBeLessThan(1_000)
      close()
      network.stop()
    },
  )

  test('a part of an answer that the app got through its memjs is not the beginning of one for the store', async () => {
    const network = await startCutter(server)
    const client = Memjs.create(network.address, { logger: quiet, timeout: 2 })
    const other = Memjs.create(address(), { logger: quiet, timeout: 2 })
    await memcachedStore({ client: other }).create('shared', record())
    network.cutAfter(100)
    client.get('sojourn:shared', () => {})
    await vi.waitFor(() => expect(client).toHaveProperty('servers.0._socket', undefined))
    // From now on the store sees to the connections of this client, also for the app.
    const store = memcachedStore({ client })
    expect((await store.read('shared'))?.values).toEqual({ a: '1' })
    network.cutAfter(100)
    const { value } = await client.get('sojourn:shared')
    expect(String(value)).toContain('ann')
    expect((await store.read('shared'))?.values).toEqual({ a: '1' })
    for (const each of [client, other]) each.close()
    network.stop()
  })

  test.each<[what: string, found: (answer: Lookup) => void]>([
    ['fails', (answer) => answer(new Error('no such host'), [])],
    ['is there', (answer) => answer(null, [{ address: '127.0.0.1', family: 4 }])],
  ])('a connection that memjs gave up, and that %s at last, does nothing to the one after it', async (_, found) => {
    const { client: other, close: closeOther } = (clients.memjs as (typeof clients)[string])(address())
    await memcachedStore({ client: other, prefix: 'late:' }).create('a', record())
    let answer: Lookup = () => {}
    const connecting = vi.spyOn(net, 'connect').mockImplementationOnce((...given: unknown[]) => {
      const lookup = (_host: string, _options: object, callback: Lookup) => {
        answer = callback
      }
      const [port, , connected] = given as [number, string, () => void]
      return connect({ port, host: 'late.test', lookup: lookup as LookupFunction }, connected)
    })
    onTestFinished(() => connecting.mockRestore())
    const client = Memjs.create(address(), { logger: quiet, timeout: 2, conntimeout: 0.1 })
    const store = memcachedStore({ client, prefix: 'late:' })
    await expect(store.delete('a')).rejects.toThrow('timed out connecting')
    expect((await store.read('a'))?.userId).toBe('ann')
    found(answer)
    for (let turn = 0; turn < 20; turn++) expect((await store.read('a'))?.userId).toBe('ann')
    client.close()
    closeOther()
  })

  test('what memjs gave up while it was to sign in is not sent once it has', async () => {
    const opcodes: number[] = []
    let connections = 0
    const locked = createServer((socket) => {
      const isFirst = connections++ === 0
      socket.on('error', () => {})
      socket.on('data', (request) => {
        if (isFirst) return
        for (let start = 0; start < request.length; start += 24 + request.readUInt32BE(start + 8)) {
          const [opcode, opaque] = [request.readUInt8(start + 1), request.subarray(start + 12, start + 16)]
          opcodes.push(opcode)
          const answer = Buffer.alloc(24)
          answer.writeUInt8(0x81, 0)
          answer.writeUInt8(opcode, 1)
          // It lets everybody in, and has nothing.
          answer.writeUInt16BE(opcode === 0x21 ? 0 : 1, 6)
          opaque.copy(answer, 12)
          socket.write(answer)
        }
      })
    })
    await once(locked.listen(0, '127.0.0.1'), 'listening')
    onTestFinished(() => void locked.close())
    const { port } = locked.address() as AddressInfo
    const settings = { logger: quiet, timeout: 0.2, conntimeout: 0.2, username: 'user', password: 'secret' }
    const client = Memjs.create(`127.0.0.1:${port}`, settings)
    const store = memcachedStore({ client, prefix: 'locked:' })
    await expect(store.delete('a')).rejects.toThrow()
    expect(await store.read('a')).toBe(null)
    expect(await store.read('a')).toBe(null)
    // It asks how one may sign in, signs in, and reads.
    expect(opcodes).toEqual([0x20, 0x21, 0x00, 0x00])
    client.close()
  })

  test.each([2 ** 31 - 3, -3])('memjs goes on answering past the number %d of a request', async (number) => {
    const { client, close } = (clients.memjs as (typeof clients)[string])(address())
    const store = memcachedStore({ client, prefix: 'counts:' })
    Object.assign(client, { seq: number })
    for (const id of ['a', 'b', 'c', 'd', 'e', 'f']) expect(await store.read(id)).toBe(null)
    close()
  })

  test.each(['gets', 'delete'])('through memcached, an error to `%s` is told', async (command) => {
    const refusing = await startRefusing(server, command)
    const { client, close } = (clients.memcached as (typeof clients)[string])(refusing.address)
    const store = memcachedStore({ client, prefix: `refused-${command}:` })
    await store.create('a', record())
    await expect(command === 'gets' ? store.read('a') : store.delete('a')).rejects.toThrow()
    refusing.relent()
    // This client turns its back on the server for a while.
    await vi.waitFor(async () => expect((await store.read('a'))?.userId).toBe('ann'), { timeout: 5_000 })
    expect(await store.delete('a')).toBe(true)
    expect(await store.delete('a')).toBe(false)
    close()
    refusing.stop()
  })
})

describe('over a client of the tests', () => {
  /** Answers as a server on which somebody else always comes between. */
  function neverInTime() {
    const counts = { cas: 0 }
    const text = JSON.stringify(record())
    return {
      counts,
      client: {
        gets: (_key: string, callback: (error: unknown, found: { cas: string }) => void) =>
          callback(undefined, { a: text, cas: '1' } as { cas: string }),
        add: () => {},
        del: () => {},
        cas: (...given: unknown[]) => {
          counts.cas++
          ;(given[4] as (error: unknown, done: boolean) => void)(undefined, false)
        },
      } as unknown as AnyClient,
    }
  }

  test('a patch gives up with `contention`, and those behind it get their turn', async () => {
    vi.useFakeTimers()
    const { client, counts } = neverInTime()
    const store = memcachedStore({ client })
    const outcomes = Promise.allSettled([
      store.patch('a', { now: Date.now(), set: { b: '1' } }),
      store.patch('a', { now: Date.now(), set: { b: '2' } }),
      store.patch('b', { now: Date.now(), set: { b: '1' } }),
    ])
    await vi.advanceTimersByTimeAsync(3_100)
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ reason: { code: 'contention', status: 503 } })
    expect(counts.cas).toBeGreaterThan(50)
    expect(counts.cas).toBeLessThan(1_000)
    vi.useRealTimers()
  })

  test.each([
    [{}, '"client"'],
    [{ client: {} }, '"client"'],
    // As of memjs 1.2.
    [{ client: { perform() {}, servers: [], seq: 0 } }, '"client" must be a client of memjs (1.3 or newer)'],
    [{ client: neverInTime().client, prefix: '' }, '"prefix"'],
    [{ client: neverInTime().client, prefix: 'a b' }, '"prefix"'],
    [{ client: neverInTime().client, prefix: 'é' }, '"prefix"'],
    [{ client: neverInTime().client, maxItemBytes: 0 }, '"maxItemBytes"'],
    [{ client: neverInTime().client, ttl: 60 }, '"ttl" is not an option'],
  ])('the options %o are refused', (options, message) => {
    expect(() => memcachedStore(options as unknown as MemcachedStoreOptions)).toThrow(
      expect.objectContaining({ code: 'invalid_option', message: expect.stringContaining(message) }),
    )
  })
})

/** Stands before a server, and ends a connection, one only, when so many bytes of answers have come and there are more. */
async function startCutter(server: Server, { resets = false } = {}) {
  let limit = Number.POSITIVE_INFINITY
  const cutter = createServer((near) => {
    const far = connect(server.port, server.host)
    near.pipe(far)
    far.on('data', (bytes) => {
      near.write(bytes.subarray(0, limit))
      limit -= bytes.length
      if (limit >= 0) return
      limit = Number.POSITIVE_INFINITY
      far.pause()
      if (resets) near.resetAndDestroy()
      else near.end(() => near.destroy())
    })
    for (const socket of [near, far]) {
      socket.on('error', () => {})
      socket.on('close', () => [near, far].map((end) => end.destroy()))
    }
  })
  await new Promise<void>((resolve) => cutter.listen(0, '127.0.0.1', resolve))
  return {
    address: `127.0.0.1:${(cutter.address() as AddressInfo).port}`,
    cutAfter(bytes: number) {
      limit = bytes
    },
    stop: () => cutter.close(),
  }
}

/** Stands before a server, and answers a command of the text protocol with an error until told otherwise. */
async function startRefusing(server: Server, command: string) {
  let refused = command
  const sockets: Socket[] = []
  const refusing = createServer((near) => {
    const far = connect(server.port, server.host)
    sockets.push(near, far)
    near.on('data', (bytes) => {
      if (refused && String(bytes).startsWith(refused)) near.write('SERVER_ERROR out of memory\r\n')
      else far.write(bytes)
    })
    far.pipe(near)
  })
  await new Promise<void>((resolve) => refusing.listen(0, '127.0.0.1', resolve))
  return {
    address: `127.0.0.1:${(refusing.address() as AddressInfo).port}`,
    relent() {
      refused = ''
    },
    stop() {
      refusing.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** Sends a line as a person with a terminal would, and resolves to the reply once it is whole. */
function say(server: Server, line: string, whole: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let reply = ''
    const socket = connect(server.port, server.host, () => socket.write(`${line}\r\n`))
    socket.on('error', reject)
    socket.on('data', (text) => {
      reply += text
      if (!whole.test(reply)) return
      socket.destroy()
      resolve(reply)
    })
  })
}

async function secondsLeft(server: Server, key: string): Promise<number> {
  return Number(/^HD t(-?\d+)/.exec(await say(server, `mg ${key} t`, /\r\n/))?.[1])
}

async function countOf(server: Server, name: string): Promise<number> {
  return Number(new RegExp(`STAT ${name} (\\d+)`).exec(await say(server, 'stats', /END\r\n/))?.[1])
}
