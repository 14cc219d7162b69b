import { createProxyServer } from 'httpxy'
import { generate } from 'selfsigned'

/** Hands each request on to `target`, over plain HTTP. Stands here for nginx, Caddy or a cloud's load balancer. */
export function proxyTo(target) {
  const proxy = createProxyServer({ target, xfwd: true })
  return async function handOn(req, res) {
    // What a visitor writes into these headers is not to be believed, so it goes no further.
    for (const name of Object.keys(req.headers)) {
      if (/^(forwarded|x-real-ip|x-forwarded-.*)$/.test(name)) delete req.headers[name]
    }
    try {
      await proxy.web(req, res)
    } catch (error) {
      console.error(error)
      if (!res.headersSent) res.writeHead(502)
      res.end()
    }
  }
}

/** A certificate for this machine that nobody vouches for, made anew at each start. Browsers ask before they go on. */
export async function certificateForTrying() {
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
        ],
      },
    ],
  })
  return { key, cert }
}
