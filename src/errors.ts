/** A message in both languages of the house; the caller gets the one of its language. */
export interface Text {
  readonly en: string
  readonly zh: string
}

/** Pairs the English and the Chinese wording of one message. */
export function text(en: string, zh: string): Text {
  return { en, zh }
}

/** The codes of errors that stand beside the data (`errors[].extensions.code`). A public contract: added to, never renamed. */
export type ErrorCode =
  | 'UNAUTHENTICATED'
  | 'FORBIDDEN'
  | 'NOT_FOUND'
  | 'BAD_USER_INPUT'
  | 'TOO_COSTLY'
  | 'RESYNC_REQUIRED'
  | 'SERVICE_UNAVAILABLE'

/** An error that the caller is told of, word for word. Everything else is masked and logged. */
export class PublicError extends Error {
  readonly code: ErrorCode
  readonly text: Text
  /** Where GraphQL.js looks for `extensions` of an error thrown in a resolver or scalar. */
  readonly extensions: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, text: Text, extensions: Readonly<Record<string, unknown>> = {}) {
    super(text.en)
    this.name = new.target.name
    this.code = code
    this.text = text
    this.extensions = { code, ...extensions }
  }
}

/** Nobody is signed in, or the token is bad, expired or revoked. */
export class Unauthenticated extends PublicError {
  constructor(reason: Text) {
    super('UNAUTHENTICATED', reason)
  }
}

/** Signed in, but not allowed to do this. */
export class Forbidden extends PublicError {
  constructor(reason: Text) {
    super('FORBIDDEN', reason)
  }
}

/** The thing does not exist, or the caller may not see it: the two are not told apart. */
export class NotFound extends PublicError {
  constructor(reason: Text) {
    super('NOT_FOUND', reason)
  }
}

/** An argument that no thing could have: a malformed id, cursor, page size or scalar. */
export class InvalidInput extends PublicError {
  constructor(reason: Text) {
    super('BAD_USER_INPUT', reason)
  }
}

/** The request goes beyond a limit of depth, breadth or cost. */
export class TooCostly extends PublicError {
  constructor(reason: Text, extensions: Readonly<Record<string, unknown>> = {}) {
    super('TOO_COSTLY', reason, extensions)
  }
}

/** A cursor of the journal from which nothing can be replayed: load the data anew and follow from its `asOf`. */
export class ResyncRequired extends PublicError {
  constructor(reason: Text) {
    super('RESYNC_REQUIRED', reason)
  }
}

/** The service can't answer now; the same request may succeed later. */
export class Unavailable extends PublicError {
  constructor(reason: Text) {
    super('SERVICE_UNAVAILABLE', reason)
  }
}

/** What a caller of a mutation can mend, as data in its payload (`userErrors`). Equal to UserErrorCode of the SDL. */
export const faultCodes = [
  'INVALID',
  'REQUIRED',
  'TOO_LONG',
  'TAKEN',
  'NOT_FOUND',
  'CONFLICT',
  'WRONG_STATUS',
  'TOO_MANY',
  'IN_THE_PAST',
  'AUDIENCE_EMPTY',
  'CREDIT_CODE_CHECK',
  'IDEMPOTENCY_KEY_REUSED',
] as const

export type Fault = (typeof faultCodes)[number]

/** One thing to mend in the input of a mutation. */
export interface InputFault {
  readonly code: Fault
  /** Path of the input field, empty for none in particular. */
  readonly field: readonly string[]
  readonly text: Text
}

/**
 * Thrown by a service when the input must be mended; nothing was changed.
 * The payload carries the faults as `userErrors`.
 */
export class InputRefused extends Error {
  readonly faults: readonly InputFault[]
  /** After CONFLICT: the thing as it stands now. */
  readonly current: unknown

  constructor(faults: readonly InputFault[], current: unknown = null) {
    super(faults.map(fault => fault.text.en).join(' '))
    this.name = 'InputRefused'
    this.faults = faults
    this.current = current
  }
}

/** Refuses the input for one reason. */
export function refuse(code: Fault, field: readonly string[], en: string, zh: string): never {
  throw new InputRefused([{ code, field, text: text(en, zh) }])
}

/**
 * Refuses an update whose `expectedVersion` is behind, and hands over the current state.
 * @param field where the mutation takes the version
 */
export function conflict(
  expected: number,
  current: { version: number },
  field: readonly string[] = ['input', 'expectedVersion'],
): never {
  throw new InputRefused(
    [
      {
        code: 'CONFLICT',
        field,
        text: text(
          `Somebody else changed this: you saw version ${expected}, it is now ${current.version}. Look at the current state in this answer and send your change again with its version.`,
          `此内容已被他人修改：您看到的是第 ${expected} 版，现在是第 ${current.version} 版。请查看本次返回的当前内容，并以新版本号重新提交。`,
        ),
      },
    ],
    current,
  )
}
