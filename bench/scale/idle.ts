/** A process that does nothing but note how late its event loop is. */
import { noteStalls } from './stalls.ts'

const take = noteStalls()
process.on('message', () => process.send?.(take()))
process.once('disconnect', () => process.exit())
