/** Loads a server from a process of its own, so that the server's CPU time is the server's alone. */
import autocannon from 'autocannon'
import type { Work } from './visitor.ts'

export interface Load {
  readonly port: number
  readonly work: Work
  /** How many requests. */
  readonly amount: number
  readonly connections: number
  /** `Cookie` headers, one for each session. */
  readonly cookies: readonly string[]
}

export interface Outcome {
  /** Why the run does not count. */
  readonly failure?: string
  /** Milliseconds. */
  readonly p99: number
}

process.on('message', async (load: Load) => {
  process.send?.(await run(load))
})
process.once('disconnect', () => process.exit())

async function run({ port, work, amount, connections, cookies }: Load): Promise<Outcome> {
  const { method, path, hasCookie } = work
  const rest = stayAwake()
  const presented = hasCookie ? cookies.map((cookie) => ({ method, path, headers: { cookie } })) : [{ method, path }]
  let connection = 0
  const result = await autocannon({
    url: `http://127.0.0.1:${port}`,
    amount,
    connections,
    requests: presented,
    // Milliseconds between looks at whether all is done.
    sampleInt: 10,
    // Each connection begins with another session, as visitors do.
    setupClient(client) {
      const first = (connection++ * 7) % presented.length
      client.setRequests([...presented.slice(first), ...presented.slice(0, first)])
    },
  })
  rest()
  const succeeded = result['2xx']
  const failure = `${succeeded} of ${amount} requests succeeded, ${result.errors} failed on the way`
  return {
    p99: result.latency.p99,
    ...(succeeded === amount && result.errors === 0 ? {} : { failure }),
  }
}

/**
 * Keeps this process from sleeping until the returned function is called. The kernel charges the waking of a sleeping
 * client to the server that sends to it, and a fast server finds its client awake: slow sides would seem slower.
 */
function stayAwake(): () => void {
  let next = setImmediate(function again() {
    next = setImmediate(again)
  })
  return () => clearImmediate(next)
}
