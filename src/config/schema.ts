import { z } from 'zod'
import { NODE_GROUPS_MAX } from '../base/limits.js'
import {
  VERIFY_EVERY_MS_DEFAULT,
  VERIFY_EVERY_MS_MAX,
  VERIFY_EVERY_MS_MIN,
  VERIFY_RATE_BPS_DEFAULT,
  VERIFY_RATE_BPS_MIN,
} from '../base/verify-limits.js'
import { toEngineError } from '../base/errors.js'
import { BANDWIDTH_CHARS_MAX, JOBS_QUOTA_DEFAULT } from '../base/policy-limits.js'
import { UPLOAD_FREE_BYTES_DEFAULT, UPLOAD_KEEP_MS_DEFAULT, UPLOADS_BYTES_DEFAULT } from '../base/upload-limits.js'
import { type LogFormat, type LogLevel, logLevels } from '../base/log.js'
import { BANDWIDTH_OFF, parseBandwidth } from '../model/bandwidth.js'
import { NAME_PATTERN, NAME_RULE } from '../model/name.js'
import type { Hook } from '../model/hook.js'
import type { DataListen, PeerAddress } from '../model/node.js'
import { hooksSchema } from './hooks.js'
import { field } from './meta.js'

const name = () => z.string().regex(NAME_PATTERN, `must be ${NAME_RULE}`)
const host = () => z.string().min(1).max(255)
/** Peers are told it as it stands: no name that each of them would resolve in its own way. */
const address = () => z.union([z.ipv4(), z.ipv6()], 'must be a numeric address, such as 10.0.0.5')
const directory = () => z.string().min(1).max(4000)

const url = () =>
  z
    .string()
    .refine(
      (text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol),
      'must be a URL that starts with http://',
    )

const dataPlane = (who: string) =>
  z.strictObject({
    host: field(address().default('127.0.0.1'), {
      effect: `Address where ${who} serves peers of the data plane.`,
      worstCase: 'Beyond loopback anybody who reaches it can fetch content: needs insecure: true.',
    }),
    port: field(z.int().min(0).max(65535).default(0), {
      unit: 'TCP port',
      effect: 'Port of the same; 0 takes any free one.',
      worstCase: 'A fixed port that is taken stops the start; a free one must be let through firewalls anew each time.',
    }),
    announceHost: field(address().nullable().default(null), {
      effect:
        'Address that peers are told; null tells the one above, or for 0.0.0.0 the one by which node and coordinator ' +
        'reach each other. Needed behind address translation.',
      worstCase: 'An address that peers do not reach: they fetch from others, this process helps nobody.',
      advanced: true,
    }),
  })

const bwlimit = (who: string) =>
  field(
    z
      .string()
      .max(BANDWIDTH_CHARS_MAX)
      .superRefine((text, context) => {
        try {
          parseBandwidth(text)
        } catch (error) {
          context.addIssue({ code: 'custom', message: toEngineError(error).message })
        }
      })
      .default(BANDWIDTH_OFF),
    {
      effect:
        `How much content ${who} sends at most to all peers together: 5M is bytes a second, 40Mbit bits, off; or by ` +
        'local time, also of a weekday: 08:00,5M 19:00,off Sat-00:00,off.',
      worstCase: 'Low: whoever it serves waits, and so do jobs that wait for all. off: nothing is left for others.',
    },
  )

const log = z.strictObject({
  level: field(z.enum(logLevels).default('info'), {
    effect: 'Least serious line that is written.',
    worstCase: 'debug writes a line per decision: some megabytes a job with many nodes.',
  }),
  format: field(z.enum(['auto', 'json', 'text']).default('auto'), {
    effect: 'json is one object a line, text is for people; auto takes text on a terminal.',
    worstCase: 'text in production cannot be searched by field.',
  }),
})

const ownDirectory = (who: string) =>
  field(directory().nullable().default(null), {
    effect: `Where ${who} keeps its data; null takes dataDir (with role both: a directory in it).`,
    worstCase:
      'Two processes on one directory: the second refuses to start. A lost directory: content is fetched again.',
    advanced: true,
  })

const uploads = z.strictObject({
  maxBytes: field(z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(UPLOADS_BYTES_DEFAULT), {
    unit: 'bytes',
    effect: 'What all uploads together may hold until they are published; 0 takes none.',
    worstCase: 'Too little: uploads are refused until others are published. Too much: freeBytes alone guards the disk.',
  }),
  keepMs: field(z.int().min(1000).max(Number.MAX_SAFE_INTEGER).default(UPLOAD_KEEP_MS_DEFAULT), {
    unit: 'milliseconds',
    effect: 'An upload that nothing arrives for is dropped after this long.',
    worstCase: 'Too little: an upload that was cut begins anew. Too much: abandoned ones fill the disk up to maxBytes.',
  }),
  freeBytes: field(z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(UPLOAD_FREE_BYTES_DEFAULT), {
    unit: 'bytes',
    effect: 'What uploads leave free on the disk of the data directory.',
    worstCase: 'Too little: an upload fills the disk, and no release can be made until something is removed.',
    advanced: true,
  }),
})

const quotas = z.strictObject({
  jobs: field(z.int().min(1).max(Number.MAX_SAFE_INTEGER).default(JOBS_QUOTA_DEFAULT), {
    unit: 'jobs',
    effect: 'Jobs without an end, of all sites together; one more is refused.',
    worstCase: 'Too little: pipelines are refused while others wait. Too much: each takes memory for all of its nodes.',
    advanced: true,
  }),
  releaseBytes: field(z.int().min(0).max(Number.MAX_SAFE_INTEGER).nullable().default(null), {
    unit: 'bytes',
    effect: 'How large a release may be; a larger one is refused before anything is sent. null: any.',
    worstCase: 'null: a slip of a hand fills the disks of all nodes, down to what each keeps free.',
  }),
})

const coordinator = z.strictObject({
  dataDir: ownDirectory('the coordinator'),
  listen: z
    .strictObject({
      host: field(host().default('127.0.0.1'), {
        effect: 'Address of the HTTP API and of the channel to the nodes.',
        worstCase: 'Beyond loopback anybody who reaches it can publish: needs insecure: true.',
      }),
      port: field(z.int().min(0).max(65535).default(7400), {
        unit: 'TCP port',
        effect: 'Port of the same; 0 takes any free one and says which.',
        worstCase: 'With 0, nodes do not find the coordinator after a restart.',
      }),
    })
    .prefault({}),
  data: dataPlane('the coordinator').prefault({}),
  bwlimit: bwlimit('the coordinator'),
  webhooks: z
    .strictObject({
      allowPrivate: field(z.boolean().default(false), {
        effect: 'Lets every webhook be on a private, loopback or link-local address; else each has to be told so.',
        worstCase: 'Whoever may add a webhook has the coordinator send POSTs to machines that only it reaches.',
        advanced: true,
      }),
    })
    .prefault({}),
  segment: field(name().default('default'), {
    effect: 'Network neighbourhood of the coordinator: nodes of the same one are near it.',
    worstCase: 'A wrong one: content leaves its segment, or enters another, more than once.',
  }),
  repair: field(z.boolean().default(true), {
    effect: 'Has a live release that a node found damaged staged there anew at once.',
    worstCase: 'false: readers of that node see the damage until engine verify --repair.',
  }),
  uploads: uploads.prefault({}),
  quotas: quotas.prefault({}),
})

const node = z.strictObject({
  dataDir: ownDirectory('the node'),
  join: field(url().nullable().default(null), {
    effect: 'Coordinator to join; null takes url, or with role both the one in this process.',
    worstCase: 'A wrong one: the node calls it for ever, serves what it holds, and gets nothing new.',
  }),
  name: field(name().nullable().default(null), {
    effect: 'What people call this node, unique for its coordinator; null takes the host name.',
    worstCase: 'A name that another node has: the coordinator refuses this one.',
  }),
  groups: field(z.array(name()).min(1).max(NODE_GROUPS_MAX).default(['default']), {
    effect: 'Groups whose sites this node receives.',
    worstCase: 'Each group adds its sites: disk for every one of them.',
  }),
  segment: field(name().default('default'), {
    effect: 'Network neighbourhood, shown in progress and used to keep transfers near.',
    worstCase: 'Far nodes in one segment: their content may take the long way more than once.',
  }),
  data: dataPlane('the node').prefault({}),
  bwlimit: bwlimit('the node'),
  hooks: field(hooksSchema.prefault({}), {
    effect: 'Commands that the node runs around a switch, for a health check, or when a job names them; by name.',
    worstCase: 'They run as the user of the node, with all that it may do: who writes this file decides what runs.',
  }),
  verify: z
    .strictObject({
      everyMs: field(
        z.int().min(VERIFY_EVERY_MS_MIN).max(VERIFY_EVERY_MS_MAX).nullable().default(VERIFY_EVERY_MS_DEFAULT),
        {
          unit: 'milliseconds',
          effect:
            'How often, give or take a third, this node reads what it serves and compares it with what was staged; ' +
            'null never does.',
          worstCase: 'null: what rots or is edited on its disk is served until somebody runs engine verify.',
        },
      ),
      rateBps: field(z.int().min(VERIFY_RATE_BPS_MIN).max(Number.MAX_SAFE_INTEGER).default(VERIFY_RATE_BPS_DEFAULT), {
        unit: 'bits per second',
        effect: 'How fast it reads then, and for engine verify without --rate.',
        worstCase:
          'High: a busy disk serves readers later. Low: a large release takes longer than the time between two.',
      }),
    })
    .prefault({}),
})

/** The configuration file, before defaults that depend on the machine are filled in. */
export const settingsSchema = z.strictObject({
  role: field(z.enum(['coordinator', 'node', 'both']).default('coordinator'), {
    effect: 'What this process is.',
    worstCase: 'both: when the machine is lost, the coordinator and a copy are lost together.',
  }),
  dataDir: field(directory().nullable().default(null), {
    effect: 'Where data is kept; null takes /var/lib/engine for root, $XDG_STATE_HOME/engine for others.',
    worstCase: 'Grows with RELEASES_KEPT releases of every site; a full disk stops new releases, not the live one.',
  }),
  url: field(url().default('http://127.0.0.1:7400'), {
    effect: 'Coordinator that the commands ask.',
    worstCase: 'A wrong one: commands fail with exit code 5, or act on another fleet.',
  }),
  insecure: field(z.boolean().default(false), {
    effect: 'Allows listening beyond loopback although nobody’s identity is checked.',
    worstCase: 'Whoever reaches the ports can publish, roll back and read all content.',
  }),
  log: log.prefault({}),
  coordinator: coordinator.prefault({}),
  node: node.prefault({}),
})

/** What a file, the environment and flags may say together. */
export type Settings = z.output<typeof settingsSchema>
/** The same with everything optional: what a caller or a flag gives. */
export type SettingsInput = z.input<typeof settingsSchema>
export type Role = Settings['role']

/** The configuration as the process uses it: complete, checked, frozen. */
export interface Config {
  readonly role: Role
  readonly url: string
  readonly insecure: boolean
  readonly log: { readonly level: LogLevel; readonly format: LogFormat }
  readonly coordinator: {
    readonly dataDir: string
    readonly listen: PeerAddress
    readonly data: DataListen
    readonly bwlimit: string
    readonly webhooks: { readonly allowPrivate: boolean }
    readonly segment: string
    readonly repair: boolean
    readonly uploads: { readonly maxBytes: number; readonly keepMs: number; readonly freeBytes: number }
    readonly quotas: { readonly jobs: number; readonly releaseBytes: number | null }
  }
  readonly node: {
    readonly dataDir: string
    /** Null: the coordinator in this process (role both). */
    readonly join: string | null
    readonly name: string
    readonly groups: readonly string[]
    readonly segment: string
    readonly data: DataListen
    readonly bwlimit: string
    /** In the order of the file. */
    readonly hooks: readonly Hook[]
    readonly verify: { readonly everyMs: number | null; readonly rateBps: number }
  }
}
