import { type SiteSettings, siteOf } from './site.js'

declare const Deno: {
  serve(options: { hostname: string; port: number }, handler: ReturnType<typeof siteOf>): unknown
}

const settings = process.env as unknown as SiteSettings
Deno.serve({ hostname: '127.0.0.1', port: Number(process.env.PORT) }, siteOf(settings))
