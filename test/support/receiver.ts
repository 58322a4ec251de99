// A receiver of webhooks on loopback that remembers what it got and answers what a test has it answer.
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { CloudEvent } from '../../src/model/fleet-event.js'
import { until } from './until.js'

export interface Received {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export class Receiver {
  readonly received: Received[] = []
  readonly url: string
  /** How it answers from now on. */
  answer: (response: ServerResponse) => void = (response) => void response.end('thanks')
  readonly #close: () => Promise<void>

  private constructor(url: string, close: () => Promise<void>) {
    this.url = url
    this.#close = close
  }

  /** @param port a port that it had before; any free one by default. */
  static async open(port = 0): Promise<Receiver> {
    const server = createServer((request, response) => {
      const parts: Buffer[] = []
      request.on('data', (part: Buffer) => parts.push(part))
      request.on('end', () => {
        const { method = '', url = '', headers } = request
        receiver.received.push({ method, path: url, headers, body: Buffer.concat(parts).toString('utf8') })
        receiver.answer(response)
      })
    })
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    const receiver = new Receiver(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, async () => {
      server.closeAllConnections()
      await new Promise<void>((resolve) => void server.close(() => resolve()))
    })
    return receiver
  }

  /** Events of a type that it got, oldest first. */
  events(type: string): CloudEvent[] {
    return this.received.map(({ body }) => JSON.parse(body) as CloudEvent).filter((event) => event.type === type)
  }

  /** Waits for a request that fits. */
  got(claim: string, fits: (received: Received) => boolean): Promise<Received> {
    return until(claim, () => this.received.find(fits))
  }

  close(): Promise<void> {
    return this.#close()
  }
}
