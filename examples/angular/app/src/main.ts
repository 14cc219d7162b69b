import { provideHttpClient, withInterceptors } from '@angular/common/http'
import { bootstrapApplication } from '@angular/platform-browser'
import { Page } from './page'
import { withSession } from './with-session'

bootstrapApplication(Page, { providers: [provideHttpClient(withInterceptors([withSession]))] }).catch(console.error)
