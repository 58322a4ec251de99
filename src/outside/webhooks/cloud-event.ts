import type { CloudEvent, FleetEvent } from '../../model/fleet-event.js'

/**
 * A fleet event as CloudEvents 1.0 has it. The same event gives the same text at every attempt, in every life. Pure.
 * @param coordinatorId 32 hexadecimal digits.
 */
export function toCloudEvent(event: FleetEvent, coordinatorId: string): CloudEvent {
  return {
    specversion: '1.0',
    id: String(event.id),
    source: `urn:distributary:coordinator:${coordinatorId}`,
    type: event.type,
    subject: event.subject,
    time: new Date(event.atMs).toISOString(),
    datacontenttype: 'application/json',
    data: event.data,
  }
}
