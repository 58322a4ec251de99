/**
 * What people name sites, groups, nodes and segments with: no separator of paths, no leading dot. A name is
 * also the name of a directory.
 */
export const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/** The same in words, for whoever gave another. */
export const NAME_RULE = '1 to 64 letters, digits, ".", "_" and "-", beginning with a letter or digit'
