/** Commands that change single paths of a site: what is not named stays as the live release has it. */
export const editTypes = ['put', 'mkdir', 'set-properties', 'remove'] as const

/** One change at one path. Names, modes and times are written as in manifests: %XX, octal, nanoseconds since 1970. */
export type EditRequest =
  /** Have a file there with a content that was sent before; one that is there is replaced. */
  | {
      readonly type: 'put'
      readonly path: string
      /** BLAKE3, 64 hexadecimal digits. */
      readonly digest: string
      readonly sizeBytes: number
      /** Null: that of the file that is there, else 644. */
      readonly mode: string | null
      /** Null: when it was asked for. */
      readonly mtimeNs: string | null
      /** Make the directories above it that are missing. */
      readonly parents: boolean
    }
  /** Make a directory; with `parents` those above it too, and one that is there is left as it is. */
  | { readonly type: 'mkdir'; readonly path: string; readonly mode: string | null; readonly parents: boolean }
  /** Null leaves a property as it is. With `create` an empty file is made where nothing is. */
  | {
      readonly type: 'set-properties'
      readonly path: string
      readonly mode: string | null
      readonly mtimeNs: string | null
      readonly create: boolean
    }
  /** Take a file or a link away; a directory, with all below it, only where that is said. */
  | { readonly type: 'remove'; readonly path: string; readonly recursive: boolean }

export const isEdit = (request: { readonly type: string }): request is EditRequest =>
  editTypes.some((type) => type === request.type)

/** A command with its number in its job. */
interface Numbered {
  readonly number: number
  readonly request: { readonly type: string }
}

/**
 * The last of the edits that follow a command without another command between them: all of them are brought to the
 * nodes at once, under its number. Of what is no edit: its own number. Pure.
 */
export function lastOfRun(commands: readonly Numbered[], { number, request }: Numbered): number {
  if (!isEdit(request)) return number
  const other = commands.find((each) => each.number > number && !isEdit(each.request))
  const run = commands.filter((each) => each.number >= number && (other === undefined || each.number < other.number))
  return run.at(-1)?.number ?? number
}

/** Edits up to a command that are in no committed release yet, in their order. Pure. */
export function pendingEdits<C extends Numbered>(
  commands: readonly C[],
  through: number,
): readonly (C & { readonly request: EditRequest })[] {
  const before = commands.filter(({ number }) => number <= through)
  const last = before.findLast(({ request: { type } }) => ['commit', 'publish', 'rollback'].includes(type))
  return before.filter(
    (each): each is C & { readonly request: EditRequest } => each.number > (last?.number ?? 0) && isEdit(each.request),
  )
}
