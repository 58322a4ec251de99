// A way to a server that a test can cut: what is on it dies at once, and nobody gets through until it is mended.
import { connect, createServer, type Server, type Socket } from 'node:net'

export class Proxy {
  readonly url: string
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #isCut = false

  private constructor(server: Server, port: number) {
    this.#server = server
    this.url = `http://127.0.0.1:${port}`
  }

  /** @param url `http://host:port` behind it, which need not be there. */
  static async open(url: string): Promise<Proxy> {
    const { hostname, port } = new URL(url)
    const server = createServer((near) => {
      if (proxy.#isCut) {
        near.destroy()
        return
      }
      const far = connect(Number(port), hostname)
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        proxy.#sockets.add(one)
        one.on('error', () => one.destroy())
        one.on('close', () => {
          proxy.#sockets.delete(one)
          other.destroy()
        })
        one.pipe(other)
      }
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
    const address = server.address()
    const proxy = new Proxy(server, typeof address === 'object' && address !== null ? address.port : 0)
    return proxy
  }

  cut(): void {
    this.#isCut = true
    for (const socket of this.#sockets) socket.destroy()
  }

  mend(): void {
    this.#isCut = false
  }

  close(): void {
    this.cut()
    this.#server.close()
  }
}
