import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { createPool } from 'mysql2/promise'
import pg from 'pg'
import { generate } from 'selfsigned'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { describeWith } from '../../test/harness/describe-with.js'
import { startDynamodb } from '../../test/harness/dynamodb.js'
import { startMariadb } from '../../test/harness/mariadb.js'
import { startMemcached } from '../../test/harness/memcached.js'
import { startMongodb } from '../../test/harness/mongodb.js'
import { startPostgres } from '../../test/harness/postgres.js'
import { startProxy } from '../../test/harness/proxy.js'
import { startRedis, startRedisCluster, startRedisSentinel, startValkey } from '../../test/harness/redis.js'
import { freePort, type Server } from '../../test/harness/server.js'
import { expectReply } from '../../test/harness/text-protocol.js'
import { createSessions } from '../core/sessions.js'
import type { SessionRecord } from '../core/store.js'
import { dynamodbStore } from './dynamodb.js'
import { openStore } from './open.js'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sojourn-open-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** Writes and reads through one store, reads through a second one, and sees that nothing stays open. */
async function expectToKeepSessions(url: string): Promise<void> {
  const socketsBefore = sockets()
  const id = `opened-${process.pid}-${Date.now()}`
  const record: SessionRecord = { values: { a: '1' }, userId: 'ann', createdAt: 1, expiresAt: Date.now() + 60_000 }
  const first = await openStore(url)
  expect(await first.create(id, record)).toBe(true)
  expect(await first.patch(id, { now: Date.now(), set: { b: '2' } })).toBe('applied')
  await first.close()
  await first.close()
  const second = await openStore(url)
  expect(await second.read(id)).toEqual({ ...record, values: { a: '1', b: '2' } })
  expect(await second.delete(id)).toBe(true)
  await second.close()
  await vi.waitFor(() => expect(sockets()).toBeLessThanOrEqual(socketsBefore), { timeout: 5000 })
}

/**
 * Leads each connection to where `target` says at that moment, once `met` has seen it: a stand-in for a name that is
 * looked up anew. Without a target it takes the connection and says nothing.
 */
async function relay(met: (client: Socket) => void, target: () => Server | undefined, host = '127.0.0.1') {
  const clients = new Set<Socket>()
  const server = createServer((client) => {
    client.on('error', () => {})
    met(client)
    if (client.destroyed) return
    clients.add(client)
    const server = target()
    if (!server) return void client.on('close', () => clients.delete(client)).resume()
    const onward = connect(server.port, server.host).on('error', () => {})
    for (const end of [client, onward]) {
      end.on('close', () => {
        clients.delete(client)
        client.destroy()
        onward.destroy()
      })
    }
    client.pipe(onward).pipe(client)
  })
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  const breakAll = () => {
    for (const client of clients) client.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    breakAll,
    async stop() {
      breakAll()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const sockets = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length

test('memory: is a store of its own each time', async () => {
  const [one, other] = [await openStore('memory:'), await openStore('MEMORY:')]
  expect(await one.create('a', { values: {}, userId: null, createdAt: 0, expiresAt: 1 })).toBe(true)
  expect(await other.read('a')).toBe(null)
  await one.close()
})

test('sqlite: takes a path, also after slashes and with encoded characters', async () => {
  await expectToKeepSessions(`sqlite:${folder}/plain.db`)
  await expectToKeepSessions(`sqlite://${folder}/slashes.db`)
  await expectToKeepSessions(`sqlite:${folder}/with%20space.db`)
  await expect(openStore(`sqlite:${folder}/nowhere/a.db`)).rejects.toMatchObject({
    code: 'store_misconfigured',
    message: expect.not.stringContaining('migrate'),
  })
  await expect(openStore('sqlite:')).rejects.toMatchObject({ code: 'invalid_option' })
})

test('sqlite: on a Node without SQLite of its own, by a driver that is installed', async () => {
  const { getBuiltinModule } = process
  const lacking = (name: string) => (name === 'node:sqlite' ? undefined : getBuiltinModule(name))
  const stub = vi.spyOn(process, 'getBuiltinModule').mockImplementation(lacking as typeof getBuiltinModule)
  onTestFinished(() => stub.mockRestore())
  await expectToKeepSessions(`sqlite:${folder}/driver.db`)
  await expect(openStore(`sqlite:${folder}/nowhere/a.db`)).rejects.toMatchObject({ code: 'store_misconfigured' })
})

/** A server, and the URLs under which its stores are opened. */
const servers: [
  tool: Parameters<typeof describeWith>[0][number],
  start: (options?: { own?: boolean }) => Promise<Server>,
  (url: string) => string[],
][] = [
  ['redis', startRedis, (url) => [url, `${url}/1?prefix=shop:`]],
  [
    'valkey',
    startValkey,
    (url) => [url.replace(/^\w+:/, 'valkey:'), `${url.replace(/^\w+:/, 'valkey:')}?prefix=shop:`],
  ],
  ['memcached', startMemcached, (url) => [url, `${url}?prefix=shop:`]],
  [
    'postgres',
    startPostgres,
    (url) => [`${url}?migrate=true`, `${url.replace('postgres:', 'postgresql:')}?table=shop&migrate=true&listen=true`],
  ],
  [
    'mariadb',
    startMariadb,
    (url) => [`${url}?migrate=true`, `${url.replace('mysql:', 'mariadb:')}?migrate=true&table=shop`],
  ],
]
/** Reached through a proxy, of which it does not know. */
const mongodb = [
  'mongodb',
  startMongodb,
  (url: string) => [url.replace(/replicaSet=\w+/, 'directConnection=true')],
] as const

for (const [tool, start, urls] of servers) {
  await describeWith([tool], tool, () => {
    let server: Server
    beforeAll(async () => {
      server = await start()
    })
    afterAll(() => server.stop())

    test('keeps sessions for the next to open it', async () => {
      for (const url of urls(server.url)) await expectToKeepSessions(url)
    })
  })
}

await describeWith(
  servers.map(([tool]) => tool),
  'a server that stops answering',
  () => {
    test.concurrent.for(servers)(
      '%s: requests end in time, and are served on new connections',
      // The expect of this very test: the common one knows only the test that began last.
      async ([_, start, urls], { expect, onTestFinished }) => {
        const server = await start({ own: true })
        onTestFinished(() => server.stop())
        const proxy = await startProxy(server)
        onTestFinished(() => proxy.stop())
        const store = await openStore(urls(proxy.url)[0] as string)
        const sessions = createSessions<{ count?: number }>({ store, storeTimeout: 500 })
        const { session, cookie } = await sessions.create({ values: { count: 0 } })
        const visitBy = (those: typeof sessions) => async () => {
          const session = await those.load({ cookie })
          session.count = (session.count ?? 0) + 1
          await those.commit(session)
        }
        const visit = visitBy(sessions)
        // Enough for every connection of a pool to be open; without hurry, while the other servers start.
        await Promise.all(Array.from({ length: 50 }, visitBy(createSessions<{ count?: number }>({ store }))))

        proxy.strand()
        const before = performance.now()
        const outcomes = await Promise.allSettled(Array.from({ length: 50 }, visit))
        expect(new Set(outcomes.map((it) => it.status === 'rejected' && it.reason.code))).toEqual(
          new Set(['store_unavailable']),
        )
        expect(performance.now() - before).toBeLessThan(3000)
        await expect.poll(() => visit().then(() => 'served'), { timeout: 30_000, interval: 200 }).toBe('served')

        const left = await Promise.allSettled(Array.from({ length: 50 }, visit))
        expect(left.filter(({ status }) => status === 'rejected')).toEqual([])
        expect((await sessions.load({ cookie })).id).toBe(session.id)
        await sessions.close()
      },
    )
  },
)

await describeWith(
  servers.map(([tool]) => tool),
  'a process that closes its store while the server hangs',
  () => {
    const program = (url: string) => `
      const { openStore } = await import(${JSON.stringify(join(root, 'dist/stores/open.js'))})
      const store = await openStore(${JSON.stringify(url)})
      const read = () => Promise.allSettled(Array.from({ length: 20 }, (_, index) => store.read('a' + index)))
      await read()
      process.stdout.write('open')
      process.stdin.once('data', async () => {
        const reading = process.env.HOW === 'busy' && read()
        // Time to be sent.
        await new Promise((resolve) => setTimeout(resolve, 100))
        await store.close()
        process.stdin.destroy()
        await reading
      })`
    const cases = [...servers, mongodb].flatMap(([tool, start, urls]) =>
      ['idle', 'busy'].map((how) => [tool, how, start, urls] as const),
    )

    test.concurrent.for(cases)('%s, %s: ends', async ([_, how, start, urls], { expect, onTestFinished }) => {
      const server = await start({ own: true })
      onTestFinished(() => server.stop())
      const proxy = await startProxy(server)
      onTestFinished(() => proxy.stop())
      const child = spawn(process.execPath, ['--input-type=module', '-e', program(urls(proxy.url).at(-1) as string)], {
        env: { ...process.env, HOW: how },
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      onTestFinished(() => void child.kill('SIGKILL'))
      await once(child.stdout, 'data')
      proxy.stall()
      child.stdin.write('close')
      const ended = once(child, 'exit').then(([code]) => code)
      expect(await Promise.race([ended, sleep(30_000, 'goes on')])).toBe(0)
    })
  },
)

await describeWith(['redis', 'valkey', 'mariadb'], 'a server that is down, or demoted', () => {
  test.concurrent('is not asked for more and more connections', async ({ expect, onTestFinished }) => {
    const redis = await startRedis({ own: true })
    let attempts = 0
    let isDown = false
    const name = await relay(
      (client) => {
        attempts++
        if (isDown) client.destroy()
      },
      () => redis,
    )
    const store = await openStore(`redis://127.0.0.1:${name.port}`)
    onTestFinished(async () => {
      await store.close()
      await Promise.all([name.stop(), redis.stop()])
    })
    isDown = true
    name.breakAll()
    await expect.poll(() => attempts, { timeout: 5000 }).toBeGreaterThan(1)
    // Twice as long as it takes until it is noticed that nothing answers.
    await sleep(20_000)
    attempts = 0
    await sleep(6_000)
    // One every two seconds.
    expect(attempts).toBeGreaterThan(0)
    expect(attempts).toBeLessThan(5)
    isDown = false
    await expect.poll(async () => store.read('a'), { timeout: 5000 }).toBe(null)
  })

  test.concurrent.for([
    ['redis', startRedis],
    ['valkey', startValkey],
  ] as const)(
    '%s: is left also where it took the connection and said nothing on it',
    async ([scheme, start], { expect, onTestFinished }) => {
      const server = await start({ own: true })
      let isSilent = false
      const name = await relay(
        () => {},
        () => (isSilent ? undefined : server),
      )
      const store = await openStore(`${scheme}://127.0.0.1:${name.port}`)
      onTestFinished(async () => {
        await store.close()
        await Promise.all([name.stop(), server.stop()])
      })
      isSilent = true
      name.breakAll()
      await sleep(3000)
      isSilent = false
      await expect.poll(async () => store.read('a'), { timeout: 30_000, interval: 200 }).toBe(null)
    },
  )

  test.concurrent.for([
    ['redis', startRedis],
    ['valkey', startValkey],
  ] as const)(
    '%s: a primary that became a replica is left for where its name leads now',
    async ([scheme, start], { expect, onTestFinished }) => {
      const [before, now] = await Promise.all([start({ own: true }), start({ own: true })])
      let primary = before
      const name = await relay(
        () => {},
        () => primary,
      )
      const store = await openStore(`${scheme}://127.0.0.1:${name.port}`)
      onTestFinished(async () => {
        await store.close()
        await Promise.all([name.stop(), before.stop(), now.stop()])
      })
      const record: SessionRecord = { values: {}, userId: null, createdAt: 0, expiresAt: Date.now() + 60_000 }
      await store.create('before', record)
      primary = now
      await expectReply(before.port, `REPLICAOF 127.0.0.1 ${now.port}`, /OK/)
      await expect(store.create('refused', record)).rejects.toThrow('READONLY')
      await expect.poll(() => store.create('later', record), { timeout: 5000 }).toBe(true)
    },
  )

  test.concurrent('mariadb: a connection whose server takes no writes is closed', async ({
    expect,
    onTestFinished,
  }) => {
    const server = await startMariadb({ own: true })
    const admin = createPool({ uri: server.url, connectionLimit: 1 })
    await admin.query("CREATE USER 'app'@'%'")
    await admin.query("GRANT ALL ON *.* TO 'app'@'%'")
    await admin.query("REVOKE SUPER, READ_ONLY ADMIN ON *.* FROM 'app'@'%'")
    const url = new URL(server.url)
    url.username = 'app'
    url.password = ''
    const store = await openStore(`${url}?migrate=true`)
    onTestFinished(async () => {
      await store.close()
      await admin.end()
      await server.stop()
    })
    const connections = async () => {
      const [rows] = await admin.query("SELECT ID AS id FROM information_schema.PROCESSLIST WHERE USER = 'app'")
      return (rows as { id: number }[]).map(({ id }) => id)
    }
    const [connection] = await connections()
    await store.read('a')
    expect(await connections()).toEqual([connection])
    await admin.query('SET GLOBAL read_only = 1')
    const record: SessionRecord = { values: {}, userId: null, createdAt: 0, expiresAt: Date.now() + 60_000 }
    await expect(store.create('a', record)).rejects.toMatchObject({ errno: 1290 })
    await expect.poll(connections).not.toContain(connection)
    await admin.query('SET GLOBAL read_only = 0')
    expect(await store.create('a', record)).toBe(true)
  })
})

await describeWith(['redis'], 'Redis of several nodes', () => {
  test('a cluster, by any of its nodes', async () => {
    const cluster = await startRedisCluster()
    const hosts = cluster.nodes.map(({ host, port }) => `${host}:${port}`)
    await expectToKeepSessions(`redis+cluster://${hosts.join(',')}`)
    await expectToKeepSessions(`redis+cluster://${hosts[1]}?prefix=shop:`)
    await cluster.stop()
  })

  test.each(['redis', 'valkey'])('a node of a cluster is no server for %s:, whichever keys it has', async (scheme) => {
    const cluster = await startRedisCluster()
    onTestFinished(() => cluster.stop())
    for (const { host, port } of cluster.nodes) {
      await expect(openStore(`${scheme}://${host}:${port}`)).rejects.toMatchObject({
        code: 'store_misconfigured',
        message: expect.stringContaining('redis+cluster:'),
      })
    }
  })

  test('a cluster whose primary hangs: its replica takes over, and the store follows', async () => {
    const cluster = await startRedisCluster({ replicas: 1 })
    const pid = cluster.nodes[0]?.pid as number
    const store = await openStore(
      `redis+cluster://${cluster.nodes.map(({ host, port }) => `${host}:${port}`).join(',')}`,
    )
    const sessions = createSessions({ store, storeTimeout: 500 })
    const visitors = await Promise.all(Array.from({ length: 30 }, () => sessions.create()))
    const served = async () => {
      const visits = await Promise.allSettled(visitors.map(({ cookie }) => sessions.load({ cookie })))
      return visits.filter((visit) => visit.status === 'fulfilled' && !visit.value.isNew).length
    }
    await cluster.replicated()
    process.kill(pid, 'SIGSTOP')
    try {
      expect(await served()).toBeLessThan(visitors.length)
      await expect.poll(served, { timeout: 45_000, interval: 500 }).toBe(visitors.length)
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    await sessions.close()
    await cluster.stop()
  })

  test('one host of several that is down does not matter, wherever it stands', async () => {
    const [cluster, watched, dead] = [await startRedisCluster(), await startRedisSentinel(), await freePort()]
    onTestFinished(async () => void (await Promise.all([cluster.stop(), watched.stop()])))
    const [node, sentinel] = [cluster.nodes[0] as Server, watched.sentinels[0] as Server]
    // The client begins at one taken at random.
    for (let round = 0; round < 5; round++) {
      await (await openStore(`redis+cluster://127.0.0.1:${dead},127.0.0.1:${node.port}`)).close()
    }
    await expectToKeepSessions(`redis+sentinel://127.0.0.1:${dead},127.0.0.1:${sentinel.port}/${watched.name}`)
  })

  test('the primary that sentinels name', async () => {
    const { name, sentinels, stop } = await startRedisSentinel()
    const hosts = sentinels.map(({ host, port }) => `${host}:${port}`)
    await expectToKeepSessions(`redis+sentinel://${hosts.join(',')}/${name}`)
    await stop()
  })

  test('over TLS: a server, and a cluster', async () => {
    const certificate = await generate([{ name: 'commonName', value: '127.0.0.1' }], {
      extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
    })
    const [key, cert] = [join(folder, 'tls.key'), join(folder, 'tls.crt')]
    await Promise.all([writeFile(key, certificate.private), writeFile(cert, certificate.cert)])
    const trusted = getCACertificates()
    setDefaultCACertificates([...trusted, certificate.cert])
    onTestFinished(() => setDefaultCACertificates(trusted))
    for (const isCluster of [false, true]) {
      const port = await freePort()
      const files = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', cert]
      const bus = ['--cluster-port', String(await freePort()), '--cluster-announce-ip', '127.0.0.1']
      const cluster = ['--cluster-enabled', 'yes', '--tls-cluster', 'yes', ...bus]
      const args = ['--tls-port', String(port), '--tls-auth-clients', 'no', ...files, ...(isCluster ? cluster : [])]
      const server = await startRedis({ own: true, args })
      onTestFinished(() => server.stop())
      if (isCluster) {
        await expectReply(server.port, 'CLUSTER ADDSLOTSRANGE 0 16383', /OK/)
        await vi.waitFor(() => expectReply(server.port, 'CLUSTER INFO', /cluster_state:ok/), 10_000)
        await expectToKeepSessions(`rediss+cluster://127.0.0.1:${port}`)
      } else {
        await expectToKeepSessions(`rediss://127.0.0.1:${port}`)
        await expectToKeepSessions(`valkeys://127.0.0.1:${port}`)
      }
      // Without TLS it does not answer there.
      await expect(openStore(`redis${isCluster ? '+cluster' : ''}://127.0.0.1:${port}`)).rejects.toMatchObject({
        code: 'store_unavailable',
      })
    }
  })

  test('a password is used, and told to nobody', async () => {
    const server = await startRedis({ own: true })
    await expectReply(server.port, 'CONFIG SET requirepass p@ss:word', /OK/)
    await expectToKeepSessions(`redis://:${encodeURIComponent('p@ss:word')}@127.0.0.1:${server.port}`)
    const refused = openStore(`redis://:wrong-secret@127.0.0.1:${server.port}`)
    await expect(refused).rejects.toSatisfy(tellsNobody('wrong-secret'))
    await expect(refused).rejects.toMatchObject({
      message: expect.stringContaining('could not be opened'),
      cause: { message: expect.stringContaining('WRONGPASS') },
    })
    await server.stop()
  })
})

const hasIpv6 = Object.values(networkInterfaces()).some((them) => them?.some(({ address }) => address === '::1'))

await describeWith(['redis', 'memcached'], 'an address of IPv6', () => {
  /** Leads from a port of ::1 to a server. */
  async function reachedOverIpv6(server: Server): Promise<string> {
    const { port, stop } = await relay(
      () => {},
      () => server,
      '::1',
    )
    onTestFinished(stop)
    return `[::1]:${port}`
  }

  test.skipIf(!hasIpv6)('leads to a server, a node of a cluster and a sentinel', async () => {
    const [server, redis] = [await startMemcached(), await startRedis()]
    await expectToKeepSessions(`memcached://${await reachedOverIpv6(server)}`)
    await expectToKeepSessions(`redis://${await reachedOverIpv6(redis)}`)
    const cluster = await startRedisCluster()
    await expectToKeepSessions(`redis+cluster://${await reachedOverIpv6(cluster.nodes[0] as Server)}`)
    const watched = await startRedisSentinel()
    await expectToKeepSessions(
      `redis+sentinel://${await reachedOverIpv6(watched.sentinels[0] as Server)}/${watched.name}`,
    )
    await Promise.all([server.stop(), redis.stop(), cluster.stop(), watched.stop()])
  })
})

test('memcached: a password is told to the server as it is, not as the URL has it', async () => {
  /** What comes in answer to a request that asks how to sign in, and what is then sent. */
  const [howToSignIn, signIn] = [0x20, 0x21]
  const said = new Promise<string>((resolve) => {
    const server = createServer((socket) =>
      socket.on('data', (request) => {
        if (request[1] === signIn) {
          resolve(request.subarray(24 + request.readUInt16BE(2)).toString())
          return socket.destroy()
        }
        const answer = Buffer.alloc(24 + 5)
        answer.writeUInt8(0x81, 0)
        answer.writeUInt8(howToSignIn, 1)
        answer.writeUInt32BE(5, 8)
        answer.write('PLAIN', 24)
        socket.write(answer)
      }),
    )
    onTestFinished(() => void server.close())
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      const opening = openStore(`memcached://ann:${encodeURIComponent('p@ss,w:rd')}@127.0.0.1:${port}`)
      opening.catch(() => {})
    })
  })
  expect(await said).toBe('\0ann\0p@ss,w:rd')
})

describe('MongoDB, or its double', () => {
  test('keeps sessions for the next to open it', async () => {
    const server = await startMongodb()
    const url = `${server.url}${server.url.includes('?') ? '&' : '?'}`
    await expectToKeepSessions(`${url}migrate=true`)
    await expectToKeepSessions(`${url}collection=shop`)
    await server.stop()
  })
})

describe('MongoDB, or its double, over a connection that carries nothing any more', () => {
  test('is reached over another one within seconds', async () => {
    const [, start, urls] = mongodb
    const server = await start()
    const proxy = await startProxy(server)
    const store = await openStore(urls(proxy.url)[0] as string)
    proxy.strand()
    const before = performance.now()
    // The driver asks once more by itself.
    expect(await store.read('a')).toBe(null)
    expect(performance.now() - before).toBeLessThan(15_000)
    await store.close()
    await proxy.stop()
    await server.stop()
  })
})

describe('DynamoDB, or a stand-in', () => {
  test('keeps sessions for the next to open it, in a table that is there', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'tests').stubEnv('AWS_SECRET_ACCESS_KEY', 'tests')
    const { client, url, stop } = await startDynamodb()
    const table = `opened_${process.pid}_${Date.now()}`
    const parameters = `region=eu-west-1&endpoint=${encodeURIComponent(url)}`
    await expect(openStore(`dynamodb:${table}?${parameters}`)).rejects.toMatchObject({
      code: 'store_misconfigured',
      message: expect.stringContaining('migrate=true'),
    })
    await dynamodbStore({ client, table }).migrate()
    await expectToKeepSessions(`dynamodb:${table}?${parameters}`)
    await stop()
    vi.unstubAllEnvs()
  })
})

// A stand-in cannot be reached by a URL.
if (process.env.FIRESTORE_EMULATOR_HOST) {
  test('firestore: keeps sessions for the next to open it', () =>
    expectToKeepSessions('firestore:opened?projectId=sojourn-tests'))
}

test('firestore: where nothing listens is an error within seconds', async () => {
  vi.stubEnv('FIRESTORE_EMULATOR_HOST', `127.0.0.1:${await freePort()}`)
  await expect(openStore('firestore:sessions?projectId=sojourn-tests')).rejects.toMatchObject({
    code: 'store_unavailable',
  })
  vi.unstubAllEnvs()
})

test.each([
  ['mysql', 'connectTimeout=200'],
  ['mongodb', 'serverSelectionTimeoutMS=200'],
  ['mongodb', 'serverselectiontimeoutms=200'],
])('%s: the time limit %s of the URL is kept', async (scheme, limit) => {
  const silent = createServer(() => {})
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const { port } = silent.address() as AddressInfo
  const start = Date.now()
  const opening = openStore(`${scheme}://ann:secret@127.0.0.1:${port}/shop?${limit}`)
  await expect(opening).rejects.toMatchObject({ code: 'store_unavailable' })
  expect(Date.now() - start).toBeLessThan(4_000)
  silent.close()
})

await describeWith(['postgres'], 'PostgreSQL', () => {
  test('has as many connections as the URL says at most', async () => {
    const server = await startPostgres()
    const store = await openStore(`${server.url}?migrate=true&table=counted&max=2&application_name=counted`)
    await store.create('a', { values: {}, userId: null, createdAt: 0, expiresAt: 1 })
    await Promise.all(Array.from({ length: 20 }, (_, i) => store.patch('a', { now: 0, set: { a: String(i) } })))
    const client = new pg.Client(server.url)
    await client.connect()
    const { rows } = await client.query(`SELECT count(*)::int FROM pg_stat_activity WHERE application_name = 'counted'`)
    expect(rows).toEqual([{ count: 2 }])
    await client.end()
    await store.close()
    await server.stop()
  })

  test('waits for a lock no longer than the URL says', async () => {
    const server = await startPostgres()
    const store = await openStore(`${server.url}?migrate=true&table=held&lock_timeout=200`)
    await store.create('a', { values: {}, userId: null, createdAt: 0, expiresAt: 1 })
    const client = new pg.Client(server.url)
    await client.connect()
    await client.query('BEGIN; SELECT * FROM held FOR UPDATE')
    await expect(store.patch('a', { now: 0, set: { a: '1' } })).rejects.toMatchObject({ code: '55P03' })
    await client.query('ROLLBACK')
    expect(await store.patch('a', { now: 0, set: { a: '1' } })).toBe('applied')
    await client.end()
    await store.close()
    await server.stop()
  })
})

await describeWith(['mariadb'], 'MariaDB', () => {
  test('a row or a table that somebody holds does not use up the connections of the server', async () => {
    const server = await startMariadb()
    const admin = createPool({ uri: server.url })
    const url = `${server.url}?migrate=true&table=held&connectionLimit=2`
    const sessions = createSessions<{ count?: number }>({ store: await openStore(url), storeTimeout: '10s' })
    const { cookie } = await sessions.create()
    const change = async () => {
      const session = await sessions.load({ cookie })
      session.count = (session.count ?? 0) + 1
      await sessions.commit(session)
    }
    const tooLate = { code: 'store_unavailable', cause: { errno: 1205 } }
    for (const [hold, release] of [
      ['START TRANSACTION; SELECT * FROM held FOR UPDATE', 'ROLLBACK'],
      ['LOCK TABLES held READ', 'UNLOCK TABLES'],
    ] as const) {
      const other = await admin.getConnection()
      for (const statement of hold.split(';')) await other.query(statement)
      await expect(change()).rejects.toMatchObject(tooLate)
      await other.query(release)
      other.release()
      await change()
    }
    await sessions.close()
    await admin.end()
    await server.stop()
  })
})

await describeWith(['postgres'], 'A table', () => {
  test('that is missing is noticed while the app starts, with what to add to the URL', async () => {
    const server = await startPostgres()
    await expect(openStore(`${server.url}?table=never_made`)).rejects.toMatchObject({
      code: 'store_misconfigured',
      message: expect.stringContaining('migrate=true'),
    })
    await expect(openStore(`${server.url}?table=a;b`)).rejects.toMatchObject({ code: 'invalid_option' })
    await server.stop()
  })
})

describe('a URL that cannot be used is refused, and its password told to nobody:', () => {
  test.each([
    ['', 'memory:, sqlite:, redis:'],
    ['localhost', 'postgresql:'],
    ['oracle://user:secret@host/db', 'postgresql:'],
    ['secret@host', 'postgresql:'],
    ['__proto__:secret', 'postgresql:'],
    ['constructor:secret', 'postgresql:'],
    ['memory:?migrate=true', '"migrate" is for stores that need a table'],
    ['dynamodb:sessions?table=a', '"table" is not known here'],
    ['memory:?prefix=a', '"prefix" is not known here'],
    ['sqlite:a.db?mode=ro', '"mode" is not known here'],
    ['sqlite:a%.db', '%25'],
    ['redis://user:secret@host?table=a', '"table" is not known here'],
    ['postgres://user:secret@host/db?migrate=yes', '"migrate" is true or false'],
    ['postgres://user:secret@host/db?max=many', 'the parameter "max" must be a whole number'],
    ['postgres://user:secret@host/db?max=1&listen=true', 'a max of 2 or more'],
    ['postgres://user:secret@[host/db', 'pg does not understand this URL'],
    ['mysql://user:secret@[host/db', 'mysql2 does not understand this URL'],
    ['redis+sentinel://user:secret@host', 'ends with the name of the primary, such as /mymaster'],
    ['redis://user:secret@[host', 'redis does not understand this URL'],
    ['mongodb://user:secret@host:port:port/db', 'mongodb does not understand this URL'],
    ['mongodb://user:secret@host/db?unknownThing=1', 'mongodb does not understand this URL'],
  ])('%s', async (url, message) => {
    const error = await openStore(url).then(String, (error: unknown) => error)
    expect(error).toMatchObject({ code: 'invalid_option', message: expect.stringContaining(message) })
    expect(error).toSatisfy(tellsNobody('secret'))
  })

  test.each([undefined, null, 5, {}, ['memory:']])('%s', async (url) => {
    await expect(openStore(url as unknown as string)).rejects.toMatchObject({ code: 'invalid_option' })
  })
})

test.each(['redis', 'valkey', 'postgres', 'mysql', 'memcached', 'mongodb', 'redis+cluster', 'redis+sentinel'])(
  '%s where nothing listens is an error within seconds',
  async (scheme) => {
    const url = `${scheme}://user:secret@127.0.0.1:${await freePort()}/1`
    const error = await openStore(url).then(String, (error: unknown) => error)
    expect(error).toMatchObject({ code: 'store_unavailable' })
    expect(error).toSatisfy(tellsNobody('secret'))
  },
)

describe('what listens and says nothing', () => {
  let silent: AddressInfo
  const server = createServer((socket) => socket.on('error', () => {}).resume())
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    silent = server.address() as AddressInfo
  })
  afterAll(() => server.close())

  test.concurrent.each([
    'redis',
    'valkey',
    'postgres',
    'mysql',
    'memcached',
    'mongodb',
    'redis+cluster',
    'redis+sentinel',
  ])('%s: is an error within seconds', async (scheme) => {
    const before = performance.now()
    const opening = openStore(`${scheme}://127.0.0.1:${silent.port}/1`)
    await expect(opening).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(performance.now() - before).toBeLessThan(15_000)
  })
})

test.each([
  ['nothing', ''],
  ['something else', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
])('redis+sentinel: no connection stays to what says %s', async (_, answer) => {
  const server = createServer((socket) => {
    socket.on('error', () => {}).resume()
    socket.write(answer)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const before = sockets()
  const { port } = server.address() as AddressInfo
  await expect(openStore(`redis+sentinel://127.0.0.1:${port}/primary`)).rejects.toThrow()
  await expect.poll(sockets, { timeout: 15_000 }).toBeLessThanOrEqual(before)
  server.close()
})

describe('a client that is not installed', () => {
  /** The built package where nothing else is installed. */
  let bare: string
  beforeAll(async () => {
    bare = join(folder, 'bare')
    await cp(join(root, 'dist'), bare, { recursive: true })
  })

  test.each([
    ['redis', 'redis'],
    ['redis+cluster', 'redis'],
    ['valkey', 'iovalkey'],
    ['postgres', 'pg'],
    ['mysql', 'mysql2'],
    ['memcached', 'memjs'],
    ['mongodb', 'mongodb'],
    ['firestore', '@google-cloud/firestore'],
    ['dynamodb', '@aws-sdk/client-dynamodb'],
  ])('for %s: is an error that says what to install', async (scheme, name) => {
    const show = `.openStore('${scheme}://user:secret@host/db').catch((error) => console.log(error.code, error.message))`
    const esm = `(await import(${JSON.stringify(join(bare, 'stores/open.js'))}))${show}`
    const commonjs = `require(${JSON.stringify(join(bare, 'commonjs/stores/open.js'))})${show}`
    const said = `client_missing openStore: this store needs the package ${name}: npm install ${name}\n`
    expect((await run(process.execPath, ['--input-type=module', '-e', esm], { cwd: folder })).stdout).toBe(said)
    expect((await run(process.execPath, ['--input-type=commonjs', '-e', commonjs], { cwd: folder })).stdout).toBe(said)
  })
})

test('an app that bundles its code need not install every client', async () => {
  const bare = join(folder, 'bundled')
  await cp(join(root, 'dist'), bare, { recursive: true })
  const outfile = join(bare, 'app.mjs')
  const { errors } = await build({
    stdin: { contents: `export { openStore } from './stores/open.js'`, resolveDir: bare },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile,
    logLevel: 'silent',
  })
  expect(errors).toEqual([])
  const show = `.openStore('redis://127.0.0.1:1').catch((error) => console.log(error.code, error.message))`
  const script = `(await import(${JSON.stringify(outfile)}))${show}`
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { cwd: folder })
  expect(stdout).toBe('client_missing openStore: this store needs the package redis: npm install redis\n')
})

test.each([
  ['Vite, in a bundle', '', 'Could not resolve "redis" imported by "sojourn".'],
  ["Yarn's Plug'n'Play", 'MODULE_NOT_FOUND', 'sojourn tried to access redis (a peer dependency) but it isn’t provided'],
])('a client that is not installed is told in the words of %s', async (what, code, message) => {
  const bare = join(folder, `told-${what.length}`)
  await cp(join(root, 'dist'), bare, { recursive: true })
  await mkdir(join(bare, 'node_modules/redis'), { recursive: true })
  await writeFile(join(bare, 'node_modules/redis/package.json'), '{"main":"index.js"}')
  const stub = `throw Object.assign(new Error(${JSON.stringify(message)}), ${JSON.stringify(code ? { code } : {})})`
  await writeFile(join(bare, 'node_modules/redis/index.js'), stub)
  const show = ".openStore('redis://127.0.0.1').catch((error) => console.log(error.code, error.message))"
  const program = `(await import(${JSON.stringify(join(bare, 'stores/open.js'))}))${show}`
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program], { cwd: folder })
  expect(stdout).toBe('client_missing openStore: this store needs the package redis: npm install redis\n')
})

test('a client that is too old is an error that says which one it takes', async () => {
  const old = join(folder, 'old')
  await cp(join(root, 'dist'), old, { recursive: true })
  await mkdir(join(old, 'node_modules/redis'), { recursive: true })
  await writeFile(join(old, 'node_modules/redis/package.json'), '{"main":"index.js"}')
  const names = ['createClient', 'createCluster', 'createSentinel'].map((name) => `exports.${name} = () => ({})`)
  await writeFile(join(old, 'node_modules/redis/index.js'), names.join('\n'))
  const show = ".openStore('redis://127.0.0.1').catch((error) => console.log(error.code, error.message))"
  const program = `(await import(${JSON.stringify(join(old, 'stores/open.js'))}))${show}`
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program], { cwd: folder })
  expect(stdout).toBe('client_missing openStore: this store needs version 5 or newer of the package redis\n')
})

/** Whether nothing of an error, down to its causes, shows a text. */
function tellsNobody(secret: string) {
  return (error: unknown): boolean => {
    for (let at = error; at instanceof Error; at = at.cause) {
      if (`${at.message}${at.stack}${JSON.stringify({ ...at, cause: undefined })}`.includes(secret)) return false
    }
    return true
  }
}
