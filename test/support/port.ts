import { createServer } from 'node:net'

/**
 * A port of loopback that is free now and stays so while a process is down between two starts: below the
 * range from which the kernel takes ports for outgoing connections, where a client that calls a closed
 * port can even meet itself.
 */
export const stablePort = async (): Promise<number> => {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 18_000)
    const free = await new Promise<boolean>((resolve) => {
      const server = createServer()
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (free) return port
  }
}
