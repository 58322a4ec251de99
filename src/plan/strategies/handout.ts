import type { CourseRule } from './course.js'

/**
 * One list, kept at the source: each server that has everything is given the next of it, until none is left. Nobody
 * passes on what it may not complete, at the price of one transfer's time for each generation of servers.
 */
export const handout: CourseRule = { servesWhen: 'finished', deals: false }
