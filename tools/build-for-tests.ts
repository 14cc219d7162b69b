import { build, isStale } from './build.ts'

/**
 * Tests that run a program, or the package as it is published, find a build of the present source. An error of types
 * does not keep the other tests from running: `npm run check` and `npm run build` fail on it.
 */
export default async function buildForTests(): Promise<void> {
  if (!(await isStale())) return
  const complaint = await build({ checked: false })
  if (complaint !== undefined) process.stderr.write(`The build has errors:\n${complaint}`)
}
