// A node's end of the channel that says exactly what a test wants, right or wrong.
import { once } from 'node:events'
import { WebSocket } from 'ws'
import type { FromCoordinator } from '../../src/control/schema/channel.js'
import { until } from './until.js'

export const helloOf = (id: string, name: string): object => ({
  type: 'hello',
  version: 1,
  role: 'node',
  software: 'test',
  node: { id, name, groups: ['edge'], segment: 'ams', dataAddress: { host: '127.0.0.1', port: 7401 } },
  sites: [],
})

export class ChannelPeer {
  readonly messages: FromCoordinator[] = []
  readonly socket: WebSocket
  closed: number | null = null
  pings = 0

  private constructor(socket: WebSocket) {
    this.socket = socket
    socket.on('message', (data: Buffer) => this.messages.push(JSON.parse(data.toString()) as FromCoordinator))
    socket.on('ping', () => {
      this.pings += 1
    })
    socket.on('error', () => {})
    socket.on('close', (code) => {
      this.closed = code
    })
  }

  /** @param url `http://host:port` of the control plane. */
  static async open(url: string, options: { readonly autoPong?: boolean } = {}): Promise<ChannelPeer> {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/channel`, { autoPong: options.autoPong ?? true })
    const peer = new ChannelPeer(socket)
    await once(socket, 'open')
    return peer
  }

  say(message: unknown): void {
    this.socket.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message))
  }

  /** Waits for the first message of a type. */
  heard<T extends FromCoordinator['type']>(type: T): Promise<Extract<FromCoordinator, { type: T }>> {
    return until(`a ${type} came`, () =>
      this.messages.find((message): message is Extract<FromCoordinator, { type: T }> => message.type === type),
    )
  }

  /** Waits until the other side has closed. */
  gone(): Promise<number> {
    return until('the channel is closed', () => this.closed ?? undefined)
  }
}
