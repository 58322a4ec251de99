import { type Kysely, sql } from 'kysely'
import {
  ANSWERS_KEPT_MS,
  FINISHED_JOBS_KEPT_PER_SITE,
  JOB_EVENTS_KEPT,
  JOB_EVENTS_KEPT_MS,
  SNAPSHOTS_KEPT_PER_SITE,
} from '../base/limits.js'
import { DELIVERIES_KEPT, DELIVERIES_WAITING_MAX, FLEET_EVENTS_KEPT_MS } from '../base/outside-limits.js'
import type { Schema } from './schema.js'

export interface PruneLimits {
  readonly finishedJobsPerSite: number
  readonly eventsPerJob: number
  readonly eventsKeptMs: number
  readonly snapshotsPerSite: number
  readonly deliveriesPerWebhook: number
  readonly deliveriesWaiting: number
  readonly fleetEventsKeptMs: number
}

export interface PruneReport {
  readonly jobsDropped: number
  readonly eventsDropped: number
  readonly snapshotsDropped: number
  readonly releasesDropped: number
  readonly deliveriesDropped: number
}

export const defaultPruneLimits: PruneLimits = {
  finishedJobsPerSite: FINISHED_JOBS_KEPT_PER_SITE,
  eventsPerJob: JOB_EVENTS_KEPT,
  eventsKeptMs: JOB_EVENTS_KEPT_MS,
  snapshotsPerSite: SNAPSHOTS_KEPT_PER_SITE,
  deliveriesPerWebhook: DELIVERIES_KEPT,
  deliveriesWaiting: DELIVERIES_WAITING_MAX,
  fleetEventsKeptMs: FLEET_EVENTS_KEPT_MS,
}

/**
 * Drops what is beyond the limits: old finished jobs with their nodes, receipts and events, old
 * events, old snapshots, releases that nothing speaks of any more. A job without an end is never
 * dropped, nor one that decided a live release.
 */
export async function prune(db: Kysely<Schema>, nowMs: number, limits: PruneLimits): Promise<PruneReport> {
  const jobs = await sql`
    delete from jobs where id in (
      select id from (
        select id, row_number() over (partition by site order by id desc) as place
        from jobs where finished_at_ms is not null
      ) where place > ${limits.finishedJobsPerSite}
    ) and id not in (select target_job_id from sites where target_job_id is not null)`.execute(db)
  const events = await sql`
    delete from events where (job_id, id) in (
      select job_id, id from (
        select job_id, id, row_number() over (partition by job_id order by id desc) as place from events
      ) where place > ${limits.eventsPerJob}
    ) or (
      at_ms < ${nowMs - limits.eventsKeptMs}
      and job_id in (select id from jobs where finished_at_ms is not null)
    )`.execute(db)
  const snapshots = await sql`
    delete from snapshots where serial in (
      select serial from (
        select serial, row_number() over (partition by site order by serial desc) as place from snapshots
      ) where place > ${limits.snapshotsPerSite}
    )`.execute(db)
  await db
    .deleteFrom('answers')
    .where('at_ms', '<', nowMs - ANSWERS_KEPT_MS)
    .execute()
  const releases = await pruneReleases(db)
  const deliveries = await pruneDeliveries(db, nowMs, limits)
  return {
    jobsDropped: Number(jobs.numAffectedRows ?? 0n),
    eventsDropped: Number(events.numAffectedRows ?? 0n),
    snapshotsDropped: Number(snapshots.numAffectedRows ?? 0n),
    releasesDropped: releases,
    deliveriesDropped: deliveries,
  }
}

/** Keeps what can be gone back to, what should be live, and what an assignment or a job that is kept names. */
async function pruneReleases(db: Kysely<Schema>): Promise<number> {
  const releases = await sql`
    delete from releases where held = 0 and (site, release) not in (
      select site, target_release from sites where target_release is not null
      union select site, release from assignments
      union select site, base_release from assignments where base_release is not null
      union select site, release from jobs where release is not null
      union select site, base_release from jobs where base_release is not null
    )`.execute(db)
  return Number(releases.numAffectedRows ?? 0n)
}

/**
 * Drops old deliveries that are over, gives up the oldest of too many that wait, then drops callbacks of jobs that have
 * nothing left to tell, and events that are neither replayed any more nor named by a delivery.
 */
async function pruneDeliveries(db: Kysely<Schema>, nowMs: number, limits: PruneLimits): Promise<number> {
  const over = await sql`
    delete from deliveries where id in (
      select id from (
        select id, row_number() over (partition by webhook_id order by event_id desc) as place
        from deliveries where state != 'waiting'
      ) where place > ${limits.deliveriesPerWebhook}
    )`.execute(db)
  await sql`
    update deliveries set state = 'failed', next_at_ms = null, last_error = 'too many wait for this webhook'
    where id in (
      select id from (
        select id, row_number() over (partition by webhook_id order by event_id desc) as place
        from deliveries where state = 'waiting'
      ) where place > ${limits.deliveriesWaiting}
    )`.execute(db)
  await sql`
    delete from webhooks where job_id is not null
      and job_id not in (select id from jobs where finished_at_ms is null)
      and id not in (select webhook_id from deliveries where state = 'waiting')
      and created_at_ms < ${nowMs - limits.fleetEventsKeptMs}`.execute(db)
  await sql`
    delete from fleet_events where at_ms < ${nowMs - limits.fleetEventsKeptMs}
      and id not in (select event_id from deliveries)`.execute(db)
  return Number(over.numAffectedRows ?? 0n)
}
