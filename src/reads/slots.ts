import { type Actor, permissionsKey } from '../access/actor.ts'

/*
 * A statement is compiled once for all requests of the same shape. It is built with slots in the places of values: what
 * builds it takes them for parameters, and each run puts its own values there.
 */

const name = Symbol('slot')

interface Slot {
  readonly [name]: string
}

/** Values by the names of their slots. */
export type SlotValues = Pick<ReadonlyMap<string, unknown>, 'has' | 'get'>

/** A parameter to be given later. Its type is that of the value that it stands for: it must not be looked into. */
export function slot<T>(slotName: string): T {
  return { [name]: slotName } satisfies Slot as unknown as T
}

/** The parameters of a statement with the values of one run in the places of its slots. */
export function fillSlots(parameters: readonly unknown[], values: SlotValues): unknown[] {
  return parameters.map(parameter => {
    if (typeof parameter !== 'object' || parameter === null || !(name in parameter)) return parameter
    const slotName = (parameter as Slot)[name]
    if (!values.has(slotName)) throw new Error(`The statement has a slot "${slotName}" that this run gives no value.`)
    return values.get(slotName)
  })
}

/** What is asked of a list, without its values: equal keys lead to the same SQL. */
export interface Shape<Input> {
  readonly key: string
  /** The same with slots for values. */
  readonly input: Input
  readonly values: Map<string, unknown>
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

/**
 * Takes the values out of an input. Null, undefined and false mean that there is no such condition; true is kept as it is,
 * and so is a list of nothing.
 */
export function shapeOf<Input extends object>(input: Input, path = 'input'): Shape<Input> {
  const keys: string[] = []
  const slotted: Record<string, unknown> = {}
  const values = new Map<string, unknown>()
  for (const [field, value] of Object.entries(input)) {
    if (value === null || value === undefined || value === false) continue
    keys.push(value === true ? `${field}!` : field)
    if (value === true) slotted[field] = true
    else if (Array.isArray(value) && value.length === 0) {
      keys.push('[]')
      slotted[field] = []
    } else if (Array.isArray(value) && value.some(isRecord)) {
      // Of records how many there are decides, too.
      const inner = shapeOf({ ...value }, `${path}.${field}`)
      keys.push(`[${inner.key}]`)
      slotted[field] = Object.values(inner.input)
      for (const [slotName, one] of inner.values) values.set(slotName, one)
    } else if (isRecord(value)) {
      const inner = shapeOf(value, `${path}.${field}`)
      keys.push(`(${inner.key})`)
      slotted[field] = inner.input
      for (const [slotName, one] of inner.values) values.set(slotName, one)
    } else {
      slotted[field] = slot(`${path}.${field}`)
      values.set(`${path}.${field}`, value)
    }
  }
  return { key: keys.join(' '), input: slotted as Input, values }
}

/** What differs between actors who see by the same SQL. */
const identities = ['accountId', 'memberId', 'tokenId', 'portalId', 'name', 'expiresAt'] as const

const shapes = new WeakMap<Actor, ActorShape>()

/** An actor without who it is. */
export interface ActorShape {
  /** Tells those apart for whom visibility is written differently. */
  readonly key: string
  /** The same with slots for who it is. */
  readonly input: Actor
  /** Puts who it is to the values that a statement needs; it is looked at only then. */
  fill(values: SlotValues): SlotValues
}

/** The shape of an actor. */
export function shapeOfActor(actor: Actor): ActorShape {
  const known = shapes.get(actor)
  if (known) return known
  const own = identities.filter(identity => identity in actor)
  const slots = Object.fromEntries(own.map(identity => [identity, { value: slot(`actor.${identity}`) }]))
  const status = actor.kind === 'OFFICER' ? actor.memberStatus : ''
  const shape: ActorShape = {
    key: `${actor.kind} ${status} ${permissionsKey(actor.permissions)}`,
    input: Object.create(actor, slots),
    fill: values => ({
      has: name => values.has(name) || own.some(identity => name === `actor.${identity}`),
      get: name => {
        const identity = own.find(one => name === `actor.${one}`)
        return identity === undefined ? values.get(name) : (actor as unknown as Record<string, unknown>)[identity]
      },
    }),
  }
  shapes.set(actor, shape)
  return shape
}
