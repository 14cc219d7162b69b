import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { generate } from 'selfsigned'
import { expect, test } from 'vitest'
import { startNginx } from '../harness/nginx.js'
import type { Server as RunningServer } from '../harness/server.js'
import { expectAccessible } from './accessibility.js'
import { photograph, start, startCommand } from './example.js'
import { describeInChromium } from './in-chromium.js'

await describeInChromium(
  'https',
  (visit) => {
    const views = () => visit.page.locator('.count').innerText()
    const behind = (output = visit.app.output()) => /plain HTTP: (?<url>\S+)/.exec(output)?.groups?.url ?? ''

    test('gives the browser a cookie that only this host can set, and only over TLS', async () => {
      const { page, at, context, sees } = visit
      expect(visit.app.url).toMatch(/^https:/)
      await page.goto(at('/'))
      await sees('A secure connection')
      await page.reload()
      expect(await views()).toMatch(/^2\s/)
      expect(await context.cookies()).toMatchObject([
        { name: '__Host-https', domain: 'localhost', path: '/', secure: true, httpOnly: true, sameSite: 'Lax' },
      ])
      expect(await page.locator('.facts').innerText()).toContain('__Host-https')
    })

    test('never reads the cookie of the plain connection in its stead', async () => {
      const { page, at, context } = visit
      await page.goto(at('/'))
      await page.reload()
      await page.goto(behind().replace('127.0.0.1', 'localhost'))
      expect(await views()).toMatch(/^1\s/)
      expect((await context.cookies()).map(({ name }) => name).sort()).toEqual(['__Host-https', 'https'])
      await page.goto(at('/'))
      expect(await views()).toMatch(/^3\s/)
    })

    test('passes on nothing that a visitor claims about the connection', async () => {
      const { context, at } = visit
      const headers = { 'X-Forwarded-Proto': 'http', 'X-Forwarded-For': '203.0.113.9' }
      const response = await context.request.get(at('/'), { headers })
      const text = await response.text()
      expect(text).toContain('A secure connection')
      expect(text).not.toContain('203.0.113.9')
    })

    test('shows a page that is accessible', async () => {
      const { page, at } = visit
      await page.goto(at('/'))
      await page.reload()
      await expectAccessible(page)
      await photograph(page, 'https')
    })

    test('without trust proxy sends a visitor from elsewhere no cookie, and says which setting is missing', async () => {
      const app = await start(await startCommand('https'), { TRUST_PROXY: 'no' })
      try {
        const { page } = visit
        await page.goto(app.url)
        await visit.sees('Plain HTTP')
        await expectAccessible(page)
        await photograph(page, 'https-plain')
        expect((await visit.context.cookies()).map(({ name }) => name)).toEqual(['https'])
        const elsewhere = { 'X-Forwarded-Proto': 'https', 'X-Forwarded-For': '203.0.113.9' }
        const response = await fetch(behind(app.output()), { headers: elsewhere })
        expect(response.headers.getSetCookie()).toEqual([])
        await expect.poll(() => app.output()).toContain('trust proxy')
      } finally {
        await app.stop()
      }
    })
  },
  { ignoreHTTPSErrors: true },
)

await describeInChromium(
  'https',
  (visit) => {
    test('works behind the nginx that its README configures', async () => {
      const inside = /plain HTTP: (?<url>\S+)/.exec(visit.app.output())?.groups?.url ?? ''
      const nginx = await nginxOfReadme(inside)
      try {
        const { page, context, sees } = visit
        await page.goto(nginx.url)
        await sees('A secure connection')
        await page.reload()
        expect(await page.locator('.count').innerText()).toMatch(/^2\s/)
        expect((await context.cookies()).map(({ name }) => name)).toEqual(['__Host-https'])
        const claims = { 'X-Forwarded-Proto': 'http', 'X-Forwarded-For': '203.0.113.9' }
        const response = await context.request.get(nginx.url, { headers: claims })
        expect(await response.text()).toContain('A secure connection')
        expect(await response.text()).not.toContain('203.0.113.9')
        expect(response.headers()['strict-transport-security']).toBe('max-age=31536000')
      } finally {
        await nginx.stop()
      }
    })

    test('and that nginx replaces the address that a visitor claims, as the proxy of the example takes it away', async () => {
      const app = await listening(createServer((req, res) => res.end(String(req.headers['x-real-ip']))))
      const { proxyTo } = await import(String(new URL('../../examples/https/proxy.js', import.meta.url)))
      const proxy = await listening(createServer(proxyTo(app.url)))
      const nginx = await nginxOfReadme(app.url)
      try {
        const headers = { 'X-Real-IP': '203.0.113.9' }
        const { request } = visit.context
        expect(await (await request.get(nginx.url, { headers })).text()).toBe('127.0.0.1')
        expect(await (await request.get(proxy.url, { headers })).text()).toBe('undefined')
      } finally {
        await nginx.stop()
        for (const { server } of [proxy, app]) server.closeAllConnections()
        for (const { server } of [proxy, app]) server.close()
      }
    })
  },
  { ignoreHTTPSErrors: true, needs: ['nginx'] },
)

async function nginxOfReadme(inside: string): Promise<RunningServer> {
  const readme = await readFile(join(import.meta.dirname, '../../examples/https/README.md'), 'utf8')
  const configuration = /```nginx\n(?<text>[\s\S]+?)```/.exec(readme)?.groups?.text ?? ''
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }])
  return startNginx(
    (folder, port) =>
      configuration
        .replace('listen 443 ssl', `listen 127.0.0.1:${port} ssl`)
        .replace('app.example.com;', 'localhost;')
        .replace(/\S+\.crt/, join(folder, 'app.crt'))
        .replace(/\S+\.key/, join(folder, 'app.key'))
        .replace('http://127.0.0.1:4005', inside),
    { 'app.crt': cert, 'app.key': key },
  )
}

async function listening(server: Server): Promise<{ server: Server; url: string }> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}
