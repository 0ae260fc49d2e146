import { setImmediate } from 'node:timers/promises'
import DataLoader from 'dataloader'
import type { Actor, Officer, PortalKey, Staff } from '../access/actor.ts'
import { isEvent, type JournalEvent } from '../journal/catalog.ts'

/** An actor with a token: one whose rights can end. */
export type SignedIn = Officer | Staff | PortalKey

/** When the rights of a listener were last looked up. */
export interface Checked {
  actor: Actor
  /** Milliseconds since 1970; 0 when they must be looked up before anything more is sent. */
  checkedAt: number
}

/** How old rights may be when an event is delivered, in milliseconds, where no event of the journal told of a change. */
const validFor = 30_000

/** Whether an actor has a token. */
export function isSignedIn(actor: Actor): actor is SignedIn {
  return 'tokenId' in actor
}

/** Whether the rights must be looked up at once, be there something to deliver or not. */
export function isUrgent({ actor, checkedAt }: Checked, now: number): boolean {
  return isSignedIn(actor) && (checkedAt === 0 || actor.expiresAt.getTime() <= now)
}

/** Whether the rights must be looked up before the next event is delivered. */
export function isDue(checked: Checked, now: number): boolean {
  return isSignedIn(checked.actor) && (now - checked.checkedAt >= validFor || isUrgent(checked, now))
}

/**
 * Whether an event may change what an actor may do. Issuing a token to an officer gives the account its role in the
 * member anew, for all of its tokens.
 */
function touches(event: JournalEvent, actor: SignedIn): boolean {
  if (isEvent(event, 'member.membership')) return actor.kind === 'OFFICER' && actor.memberId === event.subject
  if (isEvent(event, 'token.revoked')) return actor.tokenId === event.subject
  if (isEvent(event, 'token.issued') || isEvent(event, 'officer.changed'))
    return (
      actor.kind === 'OFFICER' && actor.accountId === event.detail.accountId && actor.memberId === event.detail.memberId
    )
  return false
}

/** Keeps the rights of listeners current. */
export interface Rights {
  /** Marks those whose rights an event may have changed. */
  notice(events: readonly JournalEvent[], listeners: Iterable<Checked>): void
  /**
   * Looks the rights up: the listener has its actor as it stands now. Answers whether it may still listen at all.
   * @throws Error when they can't be looked up; then they still must be
   */
  renew(listener: Checked): Promise<boolean>
}

/** Answers callers as they stand now, by token; null, or nothing, for a token that has ended. */
export type Refresh = (tokenIds: readonly string[]) => Promise<ReadonlyMap<string, Actor | null>>

/** For how many turns of the event loop a statement waits for others who ask. */
const mostTurns = 50
/** How many tokens one statement looks up. */
const batch = 1_000

/**
 * Looks tokens up in few statements: those that are due at the same moment together, and one statement at a time, during
 * which the next ones gather.
 */
function batchLookUps(refresh: Refresh): (tokenId: string) => Promise<Actor | null> {
  let running: Promise<unknown> = Promise.resolve()
  let asked = 0

  /** Dispatches once nobody more has asked for a turn of the event loop: a pace lets few have their turn at once. */
  async function gather(dispatch: () => void): Promise<void> {
    await running
    for (let turns = 0; turns < mostTurns; turns++) {
      const before = asked
      await setImmediate()
      if (asked === before) break
    }
    dispatch()
  }

  const lookUps = new DataLoader<string, Actor | null>(
    tokenIds => {
      const found = refresh([...new Set(tokenIds)])
      running = Promise.allSettled([found])
      return found.then(actors => tokenIds.map(tokenId => actors.get(tokenId) ?? null))
    },
    {
      cache: false,
      maxBatchSize: batch,
      batchScheduleFn: dispatch => void gather(dispatch),
    },
  )
  return tokenId => {
    asked++
    return lookUps.load(tokenId)
  }
}

/** Makes the part of the hub that knows what listeners may hear. */
export function createRights(refresh: Refresh, now: () => Date): Rights {
  /** Look-ups under way, by token: one socket may have many subscriptions. */
  const underWay = new Map<string, Promise<Actor | null>>()
  const lookUp = batchLookUps(refresh)

  function find(tokenId: string): Promise<Actor | null> {
    const known = underWay.get(tokenId)
    if (known) return known
    const found = lookUp(tokenId)
    underWay.set(tokenId, found)
    const done = () => {
      if (underWay.get(tokenId) === found) underWay.delete(tokenId)
    }
    found.then(done, done)
    return found
  }

  return {
    notice: (events, listeners) => {
      const telling = events.filter(
        ({ type }) => type === 'member.membership' || type === 'officer.changed' || type.startsWith('token.'),
      )
      if (telling.length === 0) return
      // What is being looked up may have been read before the change.
      underWay.clear()
      for (const listener of listeners) {
        const { actor } = listener
        if (isSignedIn(actor) && telling.some(event => touches(event, actor))) listener.checkedAt = 0
      }
    },
    renew: async listener => {
      const { actor } = listener
      if (!isSignedIn(actor)) return true
      // Before the look-up: a change noticed while it is under way marks the listener again.
      listener.checkedAt = now().getTime()
      try {
        const answer = await find(actor.tokenId)
        if (!answer || (isSignedIn(answer) && answer.expiresAt <= now())) return false
        listener.actor = answer
        return true
      } catch (error) {
        listener.checkedAt = 0
        throw error
      }
    },
  }
}
