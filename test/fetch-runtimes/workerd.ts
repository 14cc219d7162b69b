import { type SiteSettings, siteOf } from './site.js'

let site: ReturnType<typeof siteOf> | undefined

export default {
  fetch(request: Request, settings: SiteSettings, context: object): Response | Promise<Response> {
    site ??= siteOf(settings)
    return site(request, settings, context)
  },
}
