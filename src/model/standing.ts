/** What was told last of a node: `here` and `away` of the node itself, the others of one site on it. */
export type Standing = 'here' | 'away' | 'current' | 'behind' | 'drifted'
