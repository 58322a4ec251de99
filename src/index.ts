// In: nothing. Out: what embedding programs may use of this package, and nothing else.
// Never: code; nobody inside imports this file.
export { EngineError, errorCodes } from './base/errors.js'
// Its client sends from the files of this machine too, so it takes the place of the one in there.
export type * from './client.js'
export { loadConfig } from './config/load.js'
export type { Config } from './config/schema.js'
export type { CoordinatorOptions } from './coordinator.js'
export { Coordinator } from './coordinator.js'
export type { NodePlan, Plan } from './model/plan.js'
export type { NodeOptions } from './node.js'
export { Node } from './node.js'
export type { Fetched } from './sending/fetching.js'
export type { AddedContent, AddOptions, ContentOptions, PutAt } from './sending/index.js'
export { Client } from './sending/index.js'
