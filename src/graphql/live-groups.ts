import type { ExecutionResult, GraphQLSchema } from 'graphql'
import type { Position } from '../journal/cursor.ts'
import type { LiveSource } from './live.ts'
import type { PassingFault } from './live-fault.ts'
import type { Outcome } from './live-frames.ts'
import type { LiveRequest } from './live-operation.ts'
import type { Checked } from './live-rights.ts'
import { type Audience, createSharing } from './live-sharing.ts'

/** Where the results of one joined subscription go. */
export interface Sink {
  /** Sends a result that others of the group get, too. One that throws ends its subscription. */
  send(outcome: Outcome): void
  /** Resolves when the receiver can take more: what a subscription that replays the log waits for between events. */
  drained?(): Promise<void>
}

/**
 * What a subscription ends with: an error that its receiver is told of, a fault after which it is to come back, or
 * nothing.
 */
export type Ending = ExecutionResult | PassingFault | null

/** Listeners who hear the same. */
export interface Group extends Audience {
  readonly key: string
  /** All of them. */
  readonly listeners: Set<Listener>
  /** Those who go with the group; the others replay the log, are being checked, or pull at their own pace. */
  readonly attached: Set<Listener>
  /**
   * What all who are attached have heard; some of them may have heard the next event already. Without meaning while the
   * group is not led.
   */
  position: Position
  /** Whether somebody delivers to those attached. */
  isLed: boolean
  /** Aborted when nobody is attached any more. */
  deserted: AbortController
}

/** One subscription. */
export interface Listener extends Checked {
  readonly operation: LiveRequest
  /** null for one that pulls its results. */
  readonly sink: Sink | null
  group: Group
  /** The last event that it was sent, or read on its own; while attached, it has heard what the group has heard, too. */
  position: Position
  readonly ended: AbortController
  /** Resolves when it has ended. */
  readonly last: PromiseWithResolvers<Ending>
}

/** The groups of a hub: each is there as long as somebody is in it. */
export interface Groups {
  /** Puts a new listener in its group. */
  enter(operation: LiveRequest, source: LiveSource, position: Position, sink: Sink | null): Listener
  /** Whether a listener, as its actor stands now, sees what its group sees. */
  isAtHome(listener: Listener): boolean
  /** Puts a listener whose actor sees other things now in another group. */
  move(listener: Listener, source: LiveSource): void
  leave(listener: Listener): void
  size(): number
}

/** Takes a listener out of what its group delivers: from here on it goes its own way, from what the group has heard. */
export function detach(listener: Listener): void {
  const { group } = listener
  if (!group.attached.delete(listener)) return
  if (listener.position.seq < group.position.seq) listener.position = group.position
  if (group.attached.size === 0) group.deserted.abort()
}

/** What a listener asked for, by its actor as it stands now. */
function asNow({ operation, actor }: Listener): LiveRequest {
  return { ...operation, actor }
}

/** Makes the groups of a hub, none at first. */
export function createGroups(schema: GraphQLSchema): Groups {
  const sharing = createSharing(schema)
  const groups = new Map<string, Group>()
  let lastId = 0

  // Places of two epochs can't be compared, so one group knows one epoch only.
  function keyOf(operation: LiveRequest, source: LiveSource, { epoch }: Position): string {
    return `${epoch} ${sharing.keyOf(operation, source)}`
  }

  function find(operation: LiveRequest, source: LiveSource, position: Position): Group {
    const key = keyOf(operation, source, position)
    let group = groups.get(key)
    if (!group) {
      group = {
        id: ++lastId,
        key,
        operation,
        source,
        isPersonal: sharing.isPersonal(operation, source),
        content: sharing.contentOf(operation, source),
        epoch: position.epoch,
        listeners: new Set(),
        attached: new Set(),
        position,
        isLed: false,
        deserted: new AbortController(),
      }
      groups.set(key, group)
    }
    return group
  }

  function leave(listener: Listener): void {
    const { group } = listener
    detach(listener)
    group.listeners.delete(listener)
    if (group.listeners.size === 0) groups.delete(group.key)
  }

  return {
    enter: (operation, source, position, sink) => {
      const listener: Listener = {
        operation,
        sink,
        actor: operation.actor,
        // Who holds a socket may have signed in long ago.
        checkedAt: 0,
        group: find(operation, source, position),
        position,
        ended: new AbortController(),
        last: Promise.withResolvers(),
      }
      listener.group.listeners.add(listener)
      return listener
    },
    isAtHome: listener => listener.group.key === keyOf(asNow(listener), listener.group.source, listener.position),
    move: (listener, source) => {
      leave(listener)
      listener.group = find(asNow(listener), source, listener.position)
      listener.group.listeners.add(listener)
    },
    leave,
    size: () => groups.size,
  }
}
