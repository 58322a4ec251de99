// In: nothing. Out: what embedding programs may use of this package, and nothing else.
// Never: code; nobody inside imports this file.
export type { ErrorCode, ErrorDetails } from './base/errors.js'
export { EngineError, errorCodes } from './base/errors.js'
export { loadConfig } from './config/load.js'
export type { Config } from './config/schema.js'
export type { ClientOptions } from './control/client.js'
export type {
  AuditQuery,
  EventsOptions,
  Job,
  JobFilter,
  JobsApi,
  KeyOption,
  OpenOptions,
  PauseOptions,
  PublishOptions,
  ResumeOptions,
  RollbackOptions,
  WebhooksApi,
} from './control/door.js'
export type { CoordinatorOptions } from './coordinator.js'
export { Coordinator } from './coordinator.js'
export type { AuditKind, AuditOutcome, AuditPage, AuditRecord } from './model/audit.js'
export type { HistoryEntry } from './model/history.js'
export type { JobEvent } from './model/event.js'
export type { CloudEvent, FleetEventType } from './model/fleet-event.js'
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
} from './model/job.js'
export type { NodeView, ReleaseRef } from './model/node.js'
export type { NodePlan, Plan, StrategyName } from './model/plan.js'
export type { SiteView } from './model/site.js'
export type { DeliveryView, WebhookRequest, WebhookView, WebhookWithSecret } from './model/webhook.js'
export type { NodeOptions } from './node.js'
export { Node } from './node.js'
export type { AddedDirectory, AddOptions } from './sending/index.js'
export { Client } from './sending/index.js'
export type { BlobView, UploadEvent, UploadView } from './model/upload.js'
