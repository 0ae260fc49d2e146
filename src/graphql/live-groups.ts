import type { ExecutionResult } from 'graphql'
import type { Position } from '../journal/cursor.ts'
import type { LiveSource } from './live.ts'
import type { Audience } from './live-execution.ts'
import { type LiveOperation, sharingKey } from './live-operation.ts'
import type { Checked } from './live-rights.ts'

/** Where the results of one joined subscription go. */
export interface Sink {
  /** Sends a result, as JSON that others of the group get, too. One that throws ends its subscription. */
  send(serialised: string, seq: number): void
  /** Resolves when the receiver can take more: what a subscription that replays the log waits for between events. */
  drained?(): Promise<void>
}

/** Listeners who hear the same. */
export interface Group extends Audience {
  readonly key: string
  /** All of them. */
  readonly listeners: Set<Listener>
  /** Those who go with the group; the others replay the log, are being checked, or pull at their own pace. */
  readonly attached: Set<Listener>
  /** What those attached have heard. Without meaning while the group is not led. */
  position: Position
  /** Whether somebody delivers to those attached. */
  isLed: boolean
  /** Aborted when nobody is attached any more. */
  deserted: AbortController
}

/** One subscription. */
export interface Listener extends Checked {
  readonly operation: LiveOperation
  /** null for one that pulls its results. */
  readonly sink: Sink | null
  group: Group
  /** What it has heard, on its own; while attached, it has heard what the group has heard, too. */
  position: Position
  readonly ended: AbortController
  /** Resolves when it has ended, with the error that it ended with, if any. */
  readonly last: PromiseWithResolvers<ExecutionResult | null>
}

/** The groups of a hub: each is there as long as somebody is in it. */
export interface Groups {
  /** Puts a new listener in its group. */
  enter(operation: LiveOperation, source: LiveSource, position: Position, sink: Sink | null): Listener
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

/** Makes the groups of a hub, none at first. */
export function createGroups(): Groups {
  const groups = new Map<string, Group>()
  let lastId = 0

  function find(operation: LiveOperation, source: LiveSource, position: Position): Group {
    // Places of two epochs can't be compared, so one group knows one epoch only.
    const key = `${position.epoch} ${sharingKey(operation, source)}`
    let group = groups.get(key)
    if (!group) {
      group = {
        id: ++lastId,
        key,
        operation,
        source,
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
    move: (listener, source) => {
      leave(listener)
      listener.group = find({ ...listener.operation, actor: listener.actor }, source, listener.position)
      listener.group.listeners.add(listener)
    },
    leave,
    size: () => groups.size,
  }
}
