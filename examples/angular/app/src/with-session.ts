import type { HttpErrorResponse, HttpInterceptorFn } from '@angular/common/http'
import { inject } from '@angular/core'
import { tap } from 'rxjs'
import { api } from './api'
import { Visitor } from './visitor'

/** Sends the visitor's cookie to the API, and nowhere else. Where the API refuses, the session may have ended. */
export const withSession: HttpInterceptorFn = (request, next) => {
  if (!request.url.startsWith(`${api}/`)) return next(request)
  const visitor = inject(Visitor)
  return next(request.clone({ withCredentials: true })).pipe(
    tap({ error: ({ status }: HttpErrorResponse) => status === 401 && visitor.lookAgain() }),
  )
}
