import { isDeepStrictEqual } from 'node:util'
import type { Job } from './load.ts'
import type { Runner } from './processes.ts'
import type { Targets } from './seed.ts'
import { type Contestant, comparable, pageRequest, profileRequest, updateRequest, type WorkName } from './works.ts'

type LoadWork = Exclude<WorkName, 'fanout'>

/** The requests of every work, known to be answered alike. */
export interface Prepared {
  calls(work: LoadWork, contestant: Contestant): Job['calls']
}

/** Sends the text of a request as the load does, but slowly. @throws Error unless the answer is 200 and without errors */
async function ask(port: number, request: string): Promise<{ answer: unknown; bytes: number }> {
  const [head = '', body] = request.split('\r\n\r\n')
  const [first = '', ...lines] = head.split('\r\n')
  const [method = '', path = ''] = first.split(' ')
  const headers = lines.map(line => line.split(': ') as [string, string]).filter(([name]) => !fetchSets.has(name))
  headers.push(['accept-encoding', 'identity'])
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method, headers, ...(body && { body }) })
  const text = await response.text()
  const answer = response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : text
  if (response.status !== 200 || answer.errors || answer.data === undefined)
    throw new Error(`${method} ${path} was answered with ${response.status} ${text.slice(0, 2000)}\n${body ?? ''}`)
  return { answer, bytes: Buffer.byteLength(text) }
}

const fetchSets = new Set(['host', 'content-length'])

/** How the first difference shows: the path and both values. */
function difference(a: unknown, b: unknown, path = ''): string {
  if (typeof a === 'object' && typeof b === 'object' && a !== null && b !== null)
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      const [left, right] = [Reflect.get(a, key), Reflect.get(b, key)]
      if (!isDeepStrictEqual(left, right)) return difference(left, right, `${path}.${key}`)
    }
  return `${path || 'the answer'} is ${JSON.stringify(a)} from ours and ${JSON.stringify(b)} from bare`
}

/** Asks both the same. @throws Error when the answers say different things @returns their lengths in bytes */
async function compare(
  runners: Record<Contestant, Runner>,
  work: LoadWork,
  requestOf: (contestant: Contestant) => string,
): Promise<Record<Contestant, number>> {
  const ours = await ask(runners.ours.port, requestOf('ours'))
  const bare = await ask(runners.bare.port, requestOf('bare'))
  const [a, b] = [comparable(ours.answer), comparable(bare.answer)]
  if (!isDeepStrictEqual(a, b)) throw new Error(`${work}: the answers differ: ${difference(a, b)}.`)
  return { ours: ours.bytes, bare: bare.bytes }
}

/** Asks both for everything that will be measured. @throws Error when an answer is refused or differs */
export async function checkAnswers(
  runners: Record<Contestant, Runner>,
  targets: Targets,
  token: string,
  works: readonly LoadWork[],
): Promise<Prepared> {
  const reads = { profile: [] as Record<Contestant, ReadRequest>[], page: [] as Record<Contestant, ReadRequest>[] }
  const checkRead = async (work: 'profile' | 'page', requestOf: (contestant: Contestant) => string) => {
    const bytes = await compare(runners, work, requestOf)
    const of = (contestant: Contestant) => ({ text: requestOf(contestant), bytes: bytes[contestant] })
    reads[work].push({ ours: of('ours'), bare: of('bare') })
  }
  if (works.includes('profile'))
    for (const target of targets.profile) await checkRead('profile', contestant => profileRequest(contestant, target))
  if (works.includes('page'))
    for (const target of targets.page) await checkRead('page', contestant => pageRequest(contestant, target))
  const [sample, ...updateTargets] = targets.update
  if (works.includes('update') && sample)
    for (const version of [1, 2])
      await compare(runners, 'update', contestant => updateRequest(contestant, sample, version, token))
  return {
    calls: (work, contestant) =>
      work === 'update'
        ? { kind: 'update', contestant, token, targets: updateTargets }
        : { kind: 'read', requests: reads[work].map(request => request[contestant]) },
  }
}

type ReadRequest = { readonly text: string; readonly bytes: number }
