// A job as the coordinator would report it, for tests of what is shown of one.
import type { JobNode, JobView } from '../../../src/model/job.js'
import { jobCommands, publishRequests } from '../../support/records.js'

export const jobNode = (values: Partial<JobNode> = {}): JobNode => ({
  nodeId: '0'.repeat(32),
  name: 'n1',
  segment: 'ams',
  state: 'live',
  bytesHave: 0,
  rateBps: 0,
  reason: null,
  ...values,
})

export const jobView = (values: Partial<JobView> = {}): JobView => ({
  id: 'J1',
  site: 'www',
  group: 'edge',
  only: null,
  commands: jobCommands(publishRequests('/srv/www')),
  state: 'succeeded',
  release: 2,
  baseRelease: 1,
  reason: null,
  policy: {
    maxDeleteRatio: 0.25,
    allowEmpty: false,
    quorum: 0.5,
    strategy: 'braid',
  },
  changes: null,
  assignment: { id: '0'.repeat(32), serial: 1, chunkBytes: 65_536, streamBytes: 1000 },
  createdAtMs: 0,
  finishedAtMs: 1500,
  error: null,
  waitsFor: null,
  nodes: [jobNode()],
  ...values,
})
