/** Where the API is, as the page says. Another origin than the page's own. */
export const api = document.querySelector<HTMLMetaElement>('meta[name=api]')?.content ?? ''
