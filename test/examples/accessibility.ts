import axe from 'axe-core'
import type { Page } from 'playwright-core'
import { expect } from 'vitest'

/** Expects that a page has nothing to object to for axe, in light and in dark, and fits a narrow screen. */
export async function expectAccessible(page: Page): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    await page.evaluate(axe.source)
    const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run())
    const found = violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${colorScheme}: ${id}: ${html}`))
    expect(found, page.url()).toEqual([])
  }
  await page.emulateMedia({ colorScheme: null, reducedMotion: null })
  await expectNoSidewaysScrolling(page)
}

/** The narrowest screen that WCAG 2.2 asks for (1.4.10). */
async function expectNoSidewaysScrolling(page: Page): Promise<void> {
  const before = page.viewportSize()
  await page.setViewportSize({ width: 320, height: 640 })
  const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth')
  expect(overflow, `${page.url()} at 320 pixels`).toBeLessThanOrEqual(0)
  if (before) await page.setViewportSize(before)
}
