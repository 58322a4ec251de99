// In: nothing. Out: what programs use that talk to a coordinator elsewhere (`distributary/client`), browsers too.
// Never: code, native or of Node's own modules; nobody inside imports this file.
export type { ErrorCode, ErrorDetails } from './base/errors.js'
export { EngineError, errorCodes } from './base/errors.js'
export type { ClientOptions } from './control/client.js'
export { Client } from './control/client.js'
export type { AuditQuery, VersionView } from './control/door.js'
export type { JobsApi } from './control/door/api.js'
export type { EventsOptions } from './control/door/events.js'
export type { EditOptions, FileAt, FilesApi, PutOptions, SitePath } from './control/door/files.js'
export type { Job, JobFilter, KeyOption, OpenOptions, PublishOptions, RollbackOptions } from './control/door/jobs.js'
export type { PauseOptions, ResumeOptions, VerifyOptions } from './control/door/sites.js'
export type { WebhooksApi } from './control/door/webhooks.js'
export type { Held, UploadsClient } from './control/uploads-client.js'
export type { AccountEvent, AccountKind, RepairPolicy, Rung } from './model/account.js'
export type { AuditKind, AuditOutcome, AuditPage, AuditRecord } from './model/audit.js'
export type { Canary, CanaryPolicy } from './model/canary.js'
export type { EditRequest } from './model/edit.js'
export type { JobEvent } from './model/event.js'
export type { FileEntry, FileKind, FileView } from './model/file.js'
export type { CloudEvent, FleetEventType } from './model/fleet-event.js'
export type { HistoryEntry } from './model/history.js'
export type {
  AssignmentRef,
  ChangeSummary,
  CommandOnNode,
  CommandRequest,
  CommandState,
  CommandType,
  CommandView,
  JobCommand,
  JobError,
  JobNode,
  JobPolicy,
  JobState,
  JobView,
  Receipt,
  TimeWindow,
} from './model/job.js'
export type { NodeSite, NodeView, ReleaseRef } from './model/node.js'
export type { NodeStateView } from './model/node-state.js'
export type { StrategyName } from './model/plan.js'
export type { SiteView } from './model/site.js'
export type { BlobView, LooseView, UploadEvent, UploadView } from './model/upload.js'
export type { VerifyRun } from './model/verification.js'
export type { Callback, DeliveryView, WebhookRequest, WebhookView, WebhookWithSecret } from './model/webhook.js'
