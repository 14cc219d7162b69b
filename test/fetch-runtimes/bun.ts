import { type SiteSettings, siteOf } from './site.js'

declare const Bun: {
  serve(options: { hostname: string; port: number; fetch: ReturnType<typeof siteOf>; development: boolean }): unknown
}

const settings = process.env as unknown as SiteSettings
Bun.serve({ hostname: '127.0.0.1', port: Number(process.env.PORT), fetch: siteOf(settings), development: false })
