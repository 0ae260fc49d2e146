import { expect, it } from 'vitest'
import { joinStatements, statement } from '../../src/database/statement.ts'

interface Input {
  readonly id: number
  readonly name: string
}

const id = ({ id }: Input) => id
const name = ({ name }: Input) => name

it('numbers the values of a statement, one that stands twice once', () => {
  const one = statement<Input>`select ${id}, ${name} where ${id} > 0`
  expect(one.sql).toBe('select $1, $2 where $1 > 0')
  expect(one.values.map(value => value({ id: 7, name: 'x' }))).toEqual([7, 'x'])
})

it('takes statements into others, which number all values anew', () => {
  const inner = statement<Input>`insert ${name} at ${id}`
  const outer = statement<Input>`with a as (${inner}) select ${id}, ${statement`none`}${name}`
  expect(outer.sql).toBe('with a as (insert $1 at $2) select $2, none$1')
  expect(outer.values).toEqual([name, id])
})

it('joins statements with commas', () => {
  expect(joinStatements([statement`a = ${name}`, statement`b = ${id}`, statement`c = ${name}`]).sql).toBe(
    'a = $1, b = $2, c = $1',
  )
  expect(joinStatements([]).sql).toBe('')
})
