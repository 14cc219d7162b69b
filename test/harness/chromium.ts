import { type Browser, chromium, type LaunchOptions } from 'playwright-core'
import { toolPath } from './tool.ts'

/** Starts a headless Chromium with a fresh profile. `close()` it afterwards. */
export async function startChromium(): Promise<Browser> {
  return chromium.launch(await chromiumOptions())
}

/** What to start Chromium with, for a test that starts it in another way, such as on a profile that it keeps. */
export async function chromiumOptions(): Promise<LaunchOptions> {
  return {
    executablePath: process.env.CHROMIUM_PATH || (await toolPath('chromium')),
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  }
}
