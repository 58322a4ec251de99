// The receiver's side of Standard Webhooks, written from its specification and from nothing of ours.
import { createHmac, timingSafeEqual } from 'node:crypto'

/** Whether any of the signatures is that of this secret over `id.timestamp.body`. */
export function verifies(
  secret: string,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  body: string,
): boolean {
  const key = Buffer.from(secret.split('_')[1] ?? '', 'base64')
  const content = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`
  const wanted = createHmac('sha256', key).update(content, 'utf8').digest()
  return String(headers['webhook-signature'] ?? '')
    .split(' ')
    .map((one) => one.split(','))
    .some(([version, text = '']) => {
      const given = Buffer.from(text, 'base64')
      return version === 'v1' && given.length === wanted.length && timingSafeEqual(given, wanted)
    })
}
