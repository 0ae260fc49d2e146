import type { FieldNode, GraphQLResolveInfo } from 'graphql'
import { type Actor, isStaff } from '../access/actor.ts'
import type { EventType, JournalEvent } from '../journal/catalog.ts'
import type { Context } from './context.ts'

/** How a noun declares a field of Subscription. */
export interface LiveField<Args, Payload extends object> {
  /** Types of event that the field tells of. */
  readonly types: readonly EventType[]
  /** Checks the arguments before anything is sent; throws InvalidInput and the like. Not `after`: the hub does. */
  readonly check?: (args: Args, context: Context) => void | Promise<void>
  /**
   * What the field answers for one event, without `cursor` and `at`; null when the event is not for this listener.
   * Events for others (see `mayHear`) don't come here. The context is fresh for every event; its loaders serve all who see
   * the same, so that what is loaded by them is read once for all filters. Listeners whose payloads have the same values
   * and the very same objects share what is made of them.
   */
  readonly payload: (event: JournalEvent, args: Args, context: Context) => Promise<Payload | null>
}

/** What every payload of a live field carries besides. */
export interface Stamp {
  /** The position after this event. */
  readonly cursor: string
  /** When it happened. */
  readonly at: Date
}

/** The root value of one event's execution: what the noun answered, or why it could not. */
export type LiveRoot<Payload extends object = object> =
  | { readonly payload: Payload & Stamp }
  | { readonly failure: unknown }

/**
 * A live field as one caller asked for it: what its `subscribe` answers. The hub takes it from there; it can't be
 * iterated, since events come to the hub's groups of callers and not to single ones.
 */
export interface LiveSource extends AsyncIterable<never> {
  readonly types: ReadonlySet<EventType>
  /** The cursor to go on after; null for from now on. */
  readonly after: string | null
  /** Where the field stands in the caller's document, for errors to point at. */
  readonly fieldNodes: readonly FieldNode[]
  readonly path: readonly (string | number)[]
  readonly payload: (event: JournalEvent, context: Context) => Promise<object | null>
}

const sources = new WeakSet<object>()

/** Whether a source stream is a live field's. */
export function isLiveSource(stream: object): stream is LiveSource {
  return sources.has(stream)
}

/**
 * Makes the resolvers of a field of Subscription, to stand in the resolver map as `Subscription.<name>`.
 * Its type has the fields `cursor: Cursor!` and `at: DateTime!`, which are filled in here.
 */
export function liveField<Args extends { after?: string | null }, Payload extends object>(
  field: LiveField<Args, Payload>,
): {
  subscribe: (root: unknown, args: Args, context: Context, info: GraphQLResolveInfo) => Promise<LiveSource>
  resolve: (root: LiveRoot<Payload>) => Payload & Stamp
} {
  const types = new Set(field.types)
  return {
    subscribe: async (_root, args, context, info) => {
      await field.check?.(args, context)
      const source: LiveSource = {
        types,
        after: args.after ?? null,
        fieldNodes: info.fieldNodes,
        path: [info.path.key],
        payload: (event, eventContext) => field.payload(event, args, eventContext),
        [Symbol.asyncIterator]: () => {
          throw new Error('Live fields are served by the live hub, not by subscribe() of graphql-js.')
        },
      }
      sources.add(source)
      return source
    },
    resolve: root => {
      if ('failure' in root) throw root.failure
      return root.payload
    },
  }
}

/** Whether an actor is among those whom an event may reach. Of SUBJECT, the field's payload decides. */
export function mayHear(event: JournalEvent, actor: Actor): boolean {
  switch (event.audience) {
    case 'PUBLIC':
    case 'SUBJECT':
      return true
    case 'MEMBERS':
      return isStaff(actor) || (actor.kind === 'OFFICER' && event.audienceMembers.includes(actor.memberId))
    case 'SECRETARIAT':
      return isStaff(actor)
  }
}
