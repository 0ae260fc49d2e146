import { getNamedType, isLeafType, isObjectType } from 'graphql'
import {
  argue,
  type Compiling,
  completing,
  type Field,
  fail,
  readOfField,
  settled,
  type Write,
  writeObject,
} from './plan-compiling.ts'
import { leafWriter } from './plan-leaf.ts'

/** Shows a value that a resolver made: a leaf, or an object whose fields are its properties. */
export function writeValue(compiling: Compiling, { definition, nodes }: Field): Write<unknown> {
  const type = getNamedType(definition.type)
  if (isLeafType(type)) return completing(definition.type, leafWriter(type))
  if (!isObjectType(type)) return fail()
  const write = writeObject<unknown>(compiling, type, nodes, field => writeProperty(compiling, field))
  return completing(definition.type, write)
}

function writeProperty(compiling: Compiling, field: Field): Write<unknown> {
  const read = readOfField(field.definition)
  const write = writeValue(compiling, field)
  if (read === undefined) {
    const { name } = field.definition
    return (value, run) => {
      const property = settled((value as Record<string, unknown>)[name])
      // Undefined is a fault of ours, and what must be called is for plain execution.
      if (property === undefined || typeof property === 'function') fail()
      return write(property, run)
    }
  }
  if (read.kind === 'same') return write
  if (read.kind !== 'computed') return fail()
  const args = argue(compiling, field)
  return (value, run) => write(settled(read.resolve(value as never, run.args(args), run.context)), run)
}
