import { isDeepStrictEqual } from 'node:util'
import { parseId } from '../../src/ids.ts'
import { type Contestant, type ContestantName, takesPart } from './contestants.ts'
import type { Job } from './load.ts'
import { shapeAnswer } from './peers/postgraphile-works.ts'
import type { Runner } from './processes.ts'
import type { Targets } from './seed.ts'
import { type Dialect, dashboardRequest, type LoadWork, pageRequest, profileRequest, updateRequest } from './works.ts'

/** A contestant that was started. */
export interface Running extends Contestant, Runner {
  readonly name: ContestantName
}

/** The requests of every work, known to be answered alike. */
export interface Prepared {
  calls(work: LoadWork, contestant: ContestantName): Job['calls']
}

type ReadRequest = { readonly text: string; readonly bytes: number }

/** What the load never sends, or `fetch` says itself. */
const fetchSets = new Set(['host', 'content-length'])

/** Sends the text of a request as the load does, but slowly. @throws Error unless the answer is 200 and without errors */
async function ask({ port, name }: Running, request: string): Promise<{ answer: unknown; bytes: number }> {
  const [head = '', body] = request.split('\r\n\r\n')
  const [first = '', ...lines] = head.split('\r\n')
  const [method = '', path = ''] = first.split(' ')
  const headers = lines.map(line => line.split(': ') as [string, string]).filter(([header]) => !fetchSets.has(header))
  headers.push(['accept-encoding', 'identity'])
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method, headers, ...(body && { body }) })
  const text = await response.text()
  const answer = response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : text
  if (response.status !== 200 || answer.errors || answer.data === undefined)
    throw new Error(`${name} answered ${method} ${path} with ${response.status} ${text.slice(0, 2000)}\n${body ?? ''}`)
  return { answer, bytes: Buffer.byteLength(text) }
}

/** An answer as all must give it: without extensions, ids as UUIDs, and cursors, which each may write as it likes, only as there or not. */
function comparable(answer: unknown): unknown {
  if (Array.isArray(answer)) return answer.map(comparable)
  if (typeof answer !== 'object' || answer === null) return answer
  return Object.fromEntries(
    Object.entries(answer)
      .filter(([key]) => key !== 'extensions')
      .map(([key, value]) => {
        if (key === 'id') return [key, parseId(String(value))?.uuid ?? value]
        if (key === 'endCursor') return [key, typeof value]
        return [key, comparable(value)]
      }),
  )
}

/** How the first difference shows: the path and both values. */
function difference(wanted: unknown, given: unknown, path = ''): string {
  if (typeof wanted === 'object' && typeof given === 'object' && wanted !== null && given !== null)
    for (const key of new Set([...Object.keys(wanted), ...Object.keys(given)])) {
      const [left, right] = [Reflect.get(wanted, key), Reflect.get(given, key)]
      if (!isDeepStrictEqual(left, right)) return difference(left, right, `${path}.${key}`)
    }
  return `${path || 'the answer'} is ${JSON.stringify(given)} and not ${JSON.stringify(wanted)}`
}

/** Asks all the same. @throws Error when one says something else than the first @returns their requests, in order */
async function compare(
  running: readonly Running[],
  work: LoadWork,
  requestOf: (dialect: Dialect) => string,
): Promise<ReadRequest[]> {
  const asked = await Promise.all(
    running.map(async contestant => {
      const text = requestOf(contestant.dialect)
      const { answer, bytes } = await ask(contestant, text)
      const shaped = comparable(contestant.dialect === 'postgraphile' ? shapeAnswer(answer) : answer)
      return { contestant, text, bytes, shaped }
    }),
  )
  const wanted = asked[0]!.shaped
  for (const { contestant, shaped } of asked)
    if (!isDeepStrictEqual(shaped, wanted))
      throw new Error(`${work}: ${contestant.name} differs from ${running[0]!.name}: ${difference(wanted, shaped)}.`)
  return asked.map(({ text, bytes }) => ({ text, bytes }))
}

/** Asks all for everything that will be measured. @throws Error when an answer is refused or differs */
export async function checkAnswers(
  running: readonly Running[],
  targets: Targets,
  token: string,
  works: readonly LoadWork[],
): Promise<Prepared> {
  const requests = new Map<string, ReadRequest[]>()
  const checkReads = async <Target>(
    work: LoadWork,
    all: readonly Target[],
    requestOf: (dialect: Dialect, target: Target) => string,
  ) => {
    if (!works.includes(work)) return
    const taking = running.filter(({ name }) => takesPart(name, work))
    for (const target of all) {
      const found = await compare(taking, work, dialect => requestOf(dialect, target))
      for (const [i, { name }] of taking.entries()) {
        const key = `${work} ${name}`
        requests.set(key, [...(requests.get(key) ?? []), found[i]!])
      }
    }
  }
  await checkReads('profile', targets.profile, profileRequest)
  await checkReads('page', targets.page, pageRequest)
  await checkReads('dashboard', targets.dashboard, dashboardRequest)
  const [sample, ...updateTargets] = targets.update
  if (works.includes('update') && sample) {
    const writers = running.filter(({ name }) => takesPart(name, 'update'))
    for (const version of [1, 2])
      await compare(writers, 'update', dialect => updateRequest(dialect, sample, version, token))
  }
  return {
    calls: (work, contestant) => {
      if (work !== 'update') return { kind: 'read', requests: requests.get(`${work} ${contestant}`) ?? [] }
      const { dialect } = running.find(({ name }) => name === contestant)!
      return { kind: 'update', contestant, dialect, token, targets: updateTargets }
    },
  }
}
