import type { CourseRule } from './course.js'

/**
 * Every source splits the list of servers that nobody has approached among those it reaches, who approach theirs as
 * soon as they receive anything. So all lists are out after a few hops, and nobody need stay to watch.
 */
export const cascade: CourseRule = { servesWhen: 'ready', deals: true }
