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

function isSignedIn(actor: Actor): actor is SignedIn {
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

/** Whether an event may change what an actor may do. Issuing a token to an officer gives the account its role anew. */
function touches(event: JournalEvent, actor: SignedIn): boolean {
  if (isEvent(event, 'member.membership')) return actor.kind === 'OFFICER' && actor.memberId === event.subject
  if (isEvent(event, 'token.revoked')) return actor.tokenId === event.subject
  if (isEvent(event, 'token.issued')) return actor.kind === 'OFFICER'
  return false
}

/** Keeps the rights of listeners current. */
export interface Rights {
  /** Marks those whose rights an event may have changed. */
  notice(events: readonly JournalEvent[], listeners: Iterable<Checked>): void
  /** Looks the rights up: the listener has its actor as it stands now. Answers whether it may still listen at all. */
  renew(listener: Checked): Promise<boolean>
}

/** @param refresh answers the same caller as it stands now; null when its token has ended */
export function createRights(refresh: (actor: SignedIn) => Promise<Actor | null>, now: () => Date): Rights {
  /** Look-ups under way, by token: one socket may have many subscriptions. */
  const underWay = new Map<string, Promise<Actor | null>>()

  return {
    notice: (events, listeners) => {
      const telling = events.filter(({ type }) => type === 'member.membership' || type.startsWith('token.'))
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
      let current = underWay.get(actor.tokenId)
      if (!current) {
        const lookUp = refresh(actor)
        current = lookUp
        underWay.set(actor.tokenId, lookUp)
        const done = () => {
          if (underWay.get(actor.tokenId) === lookUp) underWay.delete(actor.tokenId)
        }
        lookUp.then(done, done)
      }
      const answer = await current
      if (!answer || (isSignedIn(answer) && answer.expiresAt <= now())) return false
      listener.actor = answer
      return true
    },
  }
}
