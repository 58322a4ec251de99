import { readFile } from 'node:fs/promises'
import { EngineError } from '../../base/errors.js'
import { WEBHOOK_TIMEOUT_MS } from '../../base/outside-limits.js'
import { formatDuration } from '../../base/quantities.js'
import { SECOND_MS } from '../../base/units.js'
import type { WebhooksApi } from '../../control/door/webhooks.js'
import type { DeliveryView, WebhookView, WebhookWithSecret } from '../../model/webhook.js'
import type { Context } from '../context.js'
import { table } from '../output.js'

/** Time between two looks at a delivery that is under way. */
const LOOK_MS = SECOND_MS / 4
/** How long a delivery is watched: its turn may come after others'. */
const WATCH_MS = 2 * WEBHOOK_TIMEOUT_MS

/** A list in a flag: separated by commas. */
export const listOf = (text: string): string[] =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')

const webhooks = async (context: Context): Promise<WebhooksApi> => (await context.connect()).webhooks

/** The first line of a file: a secret on a command line would be in the list of processes. */
async function secretIn(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).split('\n')[0]?.trim() ?? ''
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new EngineError('ENGINE_ERR_INVALID_ARGUMENT', { what: `--secret-file ${path}`, why }, { cause: error })
  }
}

function showSecret({ output }: Context, { webhook, secret }: WebhookWithSecret, isGiven: boolean): void {
  if (output.json) output.data({ webhook, ...(isGiven ? {} : { secret }) })
  else {
    output.print(webhook.id)
    if (isGiven) return
    output.print(secret)
    output.note('  the secret is shown this once; give it to the receiver')
  }
}

export interface AddFlags {
  readonly types?: string
  readonly site?: string
  readonly secretFile?: string
  readonly allowPrivate?: boolean
}

/** `engine webhook add URL`: from now on it is called. */
export async function add(context: Context, url: string, flags: AddFlags): Promise<number> {
  const { types, site, secretFile, allowPrivate = false } = flags
  const secret = secretFile === undefined ? null : await secretIn(secretFile)
  const api = await webhooks(context)
  const about = { url, site: site ?? null, secret, allowPrivate }
  const added = await api.add(types === undefined ? about : { ...about, types: listOf(types) })
  showSecret(context, added, secret !== null)
  return 0
}

/** `engine webhook rotate ID`: a new secret; for a day the one before it signs too. */
export async function rotate(context: Context, id: string, flags: Pick<AddFlags, 'secretFile'>): Promise<number> {
  const secret = flags.secretFile === undefined ? null : await secretIn(flags.secretFile)
  showSecret(context, await (await webhooks(context)).rotate(id, secret), secret !== null)
  return 0
}

const time = (atMs: number): string => new Date(atMs).toISOString()

function stateOf(webhook: WebhookView): string {
  if (webhook.offReason !== null) return `off: ${webhook.offReason}`
  if (webhook.failingAtMs !== null) return `fails since ${time(webhook.failingAtMs)}`
  return webhook.deliveredAtMs === null ? 'not called yet' : 'well'
}

const webhookRow = (webhook: WebhookView): string[] => [
  webhook.id,
  webhook.types.join(','),
  webhook.site ?? '',
  String(webhook.waiting),
  stateOf(webhook),
  webhook.url,
]

/** `engine webhook ls`: who is called, and how that goes. */
export async function list(context: Context): Promise<number> {
  const { output } = context
  const items = await (await webhooks(context)).list()
  if (output.json) output.data({ items })
  else if (items.length === 0) output.note('no webhooks; add one: engine webhook add URL')
  else {
    const head = ['WEBHOOK', 'TYPES', 'SITE', 'WAITING', 'STATE', 'URL']
    for (const line of table(head, items.map(webhookRow), output.dataColumns)) output.print(line)
  }
  return 0
}

/** `engine webhook rm ID`: it is called no more. */
export async function remove(context: Context, id: string): Promise<number> {
  await (await webhooks(context)).remove(id)
  if (context.output.json) context.output.data({ type: 'result', status: 'success', webhookId: id })
  else context.output.print(`webhook ${id} is removed`)
  return 0
}

function resultOf(delivery: DeliveryView): string {
  const { lastStatus, lastMs, lastError } = delivery
  const took = lastMs === null ? '' : ` in ${formatDuration(lastMs)}`
  if (lastError !== null) return `${lastError}${took}`
  return lastStatus === null ? '' : `${lastStatus}${took}`
}

const deliveryRow = (delivery: DeliveryView): string[] => [
  delivery.id,
  delivery.eventType,
  delivery.subject,
  delivery.state,
  String(delivery.attempts),
  delivery.lastAtMs === null ? '' : time(delivery.lastAtMs),
  delivery.nextAtMs === null ? '' : time(delivery.nextAtMs),
  resultOf(delivery),
]

/** `engine webhook deliveries ID`: what was sent to it and what came of it, newest first. */
export async function deliveries(context: Context, id: string): Promise<number> {
  const { output } = context
  const items = await (await webhooks(context)).deliveries(id)
  if (output.json) output.data({ items })
  else if (items.length === 0) output.note('nothing was sent to it yet')
  else {
    const head = ['DELIVERY', 'TYPE', 'ABOUT', 'STATE', 'ATTEMPTS', 'LAST', 'NEXT', 'RESULT']
    for (const line of table(head, items.map(deliveryRow), output.dataColumns)) output.print(line)
  }
  return 0
}

/** `engine webhook resend ID DELIVERY`: the same again, under the same id. */
export async function resend(context: Context, id: string, deliveryId: string): Promise<number> {
  const api = await webhooks(context)
  return watch(context, api, await api.resend(id, deliveryId))
}

/** `engine webhook ping ID`: an event that says nothing, and what the receiver answers. */
export async function ping(context: Context, id: string): Promise<number> {
  const api = await webhooks(context)
  return watch(context, api, await api.ping(id))
}

/** Waits for the first attempt and tells what came of it. */
async function watch({ output, clock }: Context, api: WebhooksApi, asked: DeliveryView): Promise<number> {
  const endMs = clock.monotonicMs() + WATCH_MS
  let delivery = asked
  while (delivery.attempts === 0 && delivery.state === 'waiting' && clock.monotonicMs() < endMs) {
    await clock.sleep(LOOK_MS)
    const found = (await api.deliveries(asked.webhookId)).find(({ id }) => id === asked.id)
    if (found === undefined) break
    delivery = found
  }
  if (output.json) output.data(delivery)
  else output.print(`${delivery.id} ${delivery.state}${resultOf(delivery) === '' ? '' : `: ${resultOf(delivery)}`}`)
  return delivery.state === 'delivered' ? 0 : 1
}
