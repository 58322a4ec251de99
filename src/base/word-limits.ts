import { HOUR_MS, MIB, MINUTE_MS, SECOND_MS } from './units.js'

// Limits of words: decisions and commands that travel from node to node. See limits.ts for the form.

/**
 * Servers that one word names: each of them can carry on alone with the others. A larger audience gets several
 * words, each for so many of its servers: ten thousand nodes cost the coordinator megabytes, not gigabytes.
 */
export const WORD_SERVERS_MAX = 512

/** Commands that one word tells of, newest last: what a node missed of a job. Older ones the coordinator owes it. */
export const WORD_COMMANDS_MAX = 64

/** One word as it is written: 512 servers take 70 KiB, and arguments of hooks have room. */
export const WORD_BYTES_MAX = MIB

/** One line of a talk: a word, and the indexes that come with it. */
export const TALK_LINE_BYTES_MAX = MIB + 64 * 1024

/** Words that a node keeps of one site, of as many jobs, newest last: for others who were away. */
export const WORDS_KEPT_PER_SITE = 4

/** Sites of which a node keeps words; of further ones it knows none. */
export const WORD_SITES_MAX = 1024

/**
 * Lists of servers that either end of a connection remembers, those that were used last: of as many jobs with other
 * audiences each. A list that was forgotten is told again.
 */
export const WORD_LISTS_KEPT = 64

/** Answers of one talk: as many words of 8 KiB as TALK_ANSWER_BYTES_MAX has room for. Of more the rest is asked for. */
export const TALK_ANSWERS_MAX = 1024

/** What one talk answers: over 10 Mbit/s it comes within TALK_MS, and no caller has more memory taken for it. */
export const TALK_ANSWER_BYTES_MAX = 8 * MIB

/** A talk is over after this long, whatever it was about: a word and its answer over a slow link. */
export const TALK_MS = 10 * SECOND_MS

/** Talks that a node begins at once; further ones wait. */
export const TALKS_BEGUN_MAX = 8

/** Who has had no coordinator for this long asks others: restarts and short cuts are over by then. */
export const ALONE_MS = 3 * SECOND_MS

/** First wait between two questions to others; doubled each time that nothing new came. */
export const SEEK_FIRST_MS = 2 * SECOND_MS

/** The longest such wait: what others have learned arrives within it. */
export const SEEK_MS_MAX = 15 * SECOND_MS

/** What could not be carried out of a word is tried again after this long, after twice that when it fails again. */
export const WORD_RETRY_MS = MINUTE_MS

/** The longest such wait: each attempt is a report that is kept until the coordinator is back, after days perhaps. */
export const WORD_RETRY_MS_MAX = HOUR_MS

/** How often a node looks whether something of its words is still to be done. */
export const WORD_LOOK_MS = SECOND_MS

/** Connected nodes among which those that are not connected are shared out, to be approached. */
export const WORD_CARRIERS_MAX = 4

/** URL of a coordinator in a word. */
export const WORD_URL_CHARS_MAX = 300
