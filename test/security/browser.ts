import { request } from 'node:http'

/** What a server answered. */
export interface Answer {
  readonly status: number
  readonly headers: { readonly [name: string]: string | string[] | undefined }
  readonly body: string
}

/** A client that keeps its cookies. */
export interface Browser {
  readonly jar: Map<string, string>
  /** Every value that it was ever given in a cookie. */
  readonly given: Set<string>
  /** The `Cookie` header that it sends. */
  readonly cookie: string
  send(method: string, path: string, headers?: Record<string, string>, body?: string): Promise<Answer>
}

/** A client of the server on this port. With `header` it keeps its token by itself, and sends it there. */
export function browser(port: number, header?: string): Browser {
  const jar = new Map<string, string>()
  const given = new Set<string>()
  return {
    jar,
    given,
    get cookie() {
      return [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    },
    async send(method, path, headers = {}, body = '') {
      const cookie = headers.cookie ?? this.cookie
      const token = header === undefined ? { cookie } : { cookie: '', [header]: cookie.replace('session=', '') }
      const answer = await exchange({ port, method, path }, { ...headers, ...token }, body)
      const told = header === undefined ? undefined : answer.headers[header]
      if (told === '') jar.delete('session')
      else if (typeof told === 'string') {
        jar.set('session', told)
        given.add(told)
      }
      for (const cookie of answer.headers['set-cookie'] ?? []) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
        if (/Max-Age=0/.test(cookie)) jar.delete(name)
        else {
          jar.set(name, value)
          given.add(value)
        }
      }
      return answer
    },
  }
}

function exchange(
  target: { port: number; method: string; path: string },
  headers: Record<string, string>,
  content: string,
): Promise<Answer> {
  const sent = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== ''))
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', ...target, headers: sent }, (incoming) => {
      const { statusCode: status = 0, headers } = incoming
      let body = ''
      incoming.setEncoding('utf8')
      incoming.on('data', (text) => (body += text))
      incoming.on('end', () => resolve({ status, headers, body }))
      incoming.on('error', reject)
    })
    outgoing.on('error', reject)
    outgoing.end(content)
  })
}
