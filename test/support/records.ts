import type { CommandRequest, JobCommand, JobNode, Receipt } from '../../src/model/job.js'
import type { NodeIdentity } from '../../src/model/node.js'
import type { AssignmentRecord } from '../../src/store/assignments.js'
import type { JobRecord } from '../../src/store/jobs.js'

/** Whole records of the model for tests; each takes what the test is about. */
export function jobRecord(parts: Partial<JobRecord> = {}): JobRecord {
  return {
    id: '01HF0000000000000000000001',
    site: 'www',
    group: 'edge',
    only: null,
    state: 'queued',
    release: null,
    baseRelease: null,
    treeHash: null,
    reason: null,
    policy: { maxDeleteRatio: 0.25, allowEmpty: false, quorum: 0.5, strategy: 'braid' },
    changes: null,
    assignment: null,
    error: null,
    createdAtMs: 1_700_000_000_000,
    finishedAtMs: null,
    ...parts,
  }
}

/** Commands with numbers from 1; the first `done` of them are completed. */
export function jobCommands(requests: readonly CommandRequest[], done = 0): readonly JobCommand[] {
  return requests.map((request, index) => ({
    number: index + 1,
    request,
    state: index < done ? 'completed' : 'new',
    release: null,
    error: null,
    createdAtMs: 1_700_000_000_000,
    startedAtMs: null,
    finishedAtMs: null,
  }))
}

/** What `engine publish` asks for. */
export const publishRequests = (directory: string): readonly CommandRequest[] => [
  { type: 'publish', directory, upload: null },
  { type: 'commit' },
  { type: 'end-job' },
]

export function jobNode(parts: Partial<JobNode> = {}): JobNode {
  return {
    nodeId: 'a'.repeat(32),
    name: 'ams-1',
    segment: 'ams',
    state: 'new',
    bytesHave: 0,
    rateBps: 0,
    reason: null,
    ...parts,
  }
}

export function receipt(parts: Partial<Receipt> = {}): Receipt {
  return {
    jobId: '01HF0000000000000000000001',
    number: 1,
    commandId: 'stage-1',
    site: 'www',
    nodeId: 'a'.repeat(32),
    nodeName: 'ams-1',
    command: 'publish',
    kind: 'completion',
    release: 1,
    treeHash: 'e'.repeat(64),
    atMs: 1_700_000_000_100,
    recordedAtMs: 1_700_000_000_200,
    bytesFetched: 1234,
    output: null,
    error: null,
    signature: null,
    publicKey: null,
    ...parts,
  }
}

export function nodeIdentity(parts: Partial<NodeIdentity> = {}): NodeIdentity {
  return {
    id: 'a'.repeat(32),
    name: 'ams-1',
    groups: ['edge'],
    segment: 'ams',
    dataAddress: { host: '127.0.0.1', port: 4000 },
    ...parts,
  }
}

export function assignmentRecord(parts: Partial<AssignmentRecord> = {}): AssignmentRecord {
  return {
    id: 'b'.repeat(32),
    serial: 1,
    command: 'publish',
    site: 'www',
    release: 1,
    baseRelease: null,
    treeHash: 'e'.repeat(64),
    jobId: '01HF0000000000000000000001',
    chunkBytes: 262_144,
    packed: null,
    createdAtMs: 1_700_000_000_000,
    ...parts,
  }
}
