import { request } from 'node:http'
import { connect, type Socket } from 'node:net'

/** An answer as a client receives it. */
export interface Answer {
  readonly status: number
  /** The values of a header, in the order in which they came. */
  header(name: string): string[]
  readonly body: string
}

export interface Asking {
  readonly method?: string
  readonly headers?: { readonly [name: string]: string }
  readonly body?: string
}

/** Sends one request over a connection of its own. Rejects where the answer is cut short. */
export function ask(port: number, path: string, { method = 'GET', headers = {}, body }: Asking = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asking = request({ host: '127.0.0.1', port, path, method, headers, agent: false, timeout: 10_000 })
    asking.on('error', reject)
    asking.on('timeout', () => asking.destroy(new Error(`${method} ${path} was not answered within ten seconds`)))
    asking.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('error', reject)
      response.on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => {
        const { rawHeaders, statusCode = 0 } = response
        const header = (name: string) =>
          rawHeaders.filter(
            (_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === name.toLowerCase(),
          )
        resolve({ status: statusCode, header, body: text })
      })
    })
    asking.end(body)
  })
}

/** A browser that keeps one cookie, as one visitor has it. */
export class Visitor {
  readonly port: number
  /** The `Cookie` header, once there is a session. */
  cookie: string | undefined

  constructor(port: number) {
    this.port = port
  }

  async ask(path: string, asking: Asking = {}): Promise<Answer> {
    const headers = { ...asking.headers, ...(this.cookie === undefined ? {} : { cookie: this.cookie }) }
    const answer = await ask(this.port, path, { ...asking, headers })
    for (const setCookie of sessionCookies(answer)) {
      const [pair = ''] = setCookie.split(';')
      this.cookie = pair.endsWith('=') ? undefined : pair
    }
    return answer
  }

  post(path: string, body = ''): Promise<Answer> {
    return this.ask(path, { method: 'POST', body })
  }
}

/** The `Set-Cookie` lines that concern the session. */
export function sessionCookies(answer: Answer): string[] {
  return answer.header('Set-Cookie').filter((value) => /^(__Host-)?session=/.test(value))
}

/** A connection of which one sees each byte. */
export interface Wire {
  readonly socket: Socket
  /** All that came so far, one character a byte. */
  received(): string
  /** Resolves to all that came, once the server closes. */
  readonly closed: Promise<string>
}

/** Opens a connection and sends text. */
export function dial(port: number, ...texts: string[]): Wire {
  const socket = connect(port, '127.0.0.1')
  let received = ''
  socket.setEncoding('latin1').on('data', (chunk) => {
    received += chunk
  })
  const closed = new Promise<string>((resolve, reject) => {
    socket.on('close', () => resolve(received))
    socket.on('error', reject)
    socket.setTimeout(10_000, () =>
      socket.destroy(new Error(`The server was silent for ten seconds after ${received}`)),
    )
  })
  // Whoever leaves does not wait for the end.
  closed.catch(() => {})
  for (const text of texts) socket.write(text)
  return { socket, received: () => received, closed }
}

/** A request as text. It asks the server to close, unless it is said to be followed by others. */
export function requestText(
  path: string,
  {
    method = 'GET',
    cookie,
    host = 'localhost',
    version = '1.1',
    followed = false,
    headers = [],
  }: {
    method?: string
    cookie?: string | undefined
    host?: string
    version?: string
    followed?: boolean
    headers?: readonly string[]
  } = {},
): string {
  const lines = [`${method} ${path} HTTP/${version}`, `Host: ${host}`, ...headers]
  if (cookie !== undefined) lines.push(`Cookie: ${cookie}`)
  if (!followed) lines.push('Connection: close')
  return [...lines, '', ''].join('\r\n')
}
