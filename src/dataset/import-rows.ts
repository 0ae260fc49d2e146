import DataLoader from 'dataloader'
import { sql } from 'kysely'
import { change, type Request } from '../access/request.ts'
import type { Tx } from '../database/client.ts'
import { type InputFault, InputRefused, PublicError } from '../errors.ts'
import { writeId } from '../ids.ts'
import { checkInput } from '../input.ts'
import { draftEdit, type Edit, saveEdits } from '../members/edit.ts'
import { createLookups, type Lookups, type Reference } from '../members/lookups.ts'
import { readMemberId } from '../members/member-id.ts'
import { memberType } from '../members/policy.ts'
import { nextProfile } from '../members/profile.ts'
import { checkReferences, mostReferences } from '../members/references.ts'
import { checkRegistration, enterMembers, type Registration } from '../members/registration.ts'
import { refusingTakenCode } from '../members/service.ts'
import { findReferences, lockMembers, type MemberRow } from '../members/store.ts'
import type { CsvRow } from './csv.ts'
import { type MemberLine, readMemberLine } from './member-line.ts'

/** What becomes of one row. */
export interface RowOutcome {
  readonly line: number
  readonly outcome: 'created' | 'changed' | 'unchanged' | 'refused'
  /** The id of the member; empty for one that was not entered. */
  readonly id: string
  readonly name: string
  /** Why it was refused; empty otherwise. */
  readonly reasons: string
}

/** A request within the transaction of the import. */
type Within = Request & { readonly db: Tx }

/** What a row comes to, checked and yet to be written. */
type Plan = { readonly registration: Registration } | { readonly edit: Edit }

/** A row of the file that is being read. */
interface Row {
  readonly csv: CsvRow
  readonly line: MemberLine
}

/** How many rows are checked and written together: with 10,000 rows 50 times fewer statements than row by row. */
const batchSize = 200

const describe = (faults: readonly InputFault[]) =>
  faults.map(({ field, text }) => `${field.slice(1).join('.') || 'row'}: ${text.en}`).join(' ')

function refused({ csv }: Row, error: unknown): RowOutcome {
  if (!(error instanceof InputRefused || error instanceof PublicError)) throw error
  const { id = '', name_zh_hans, name_en } = csv.values
  const reasons = error instanceof InputRefused ? describe(error.faults) : error.message
  return { line: csv.line, outcome: 'refused', id, name: name_zh_hans || name_en || '', reasons }
}

const keyOf = ({ system, value }: Reference) => `${system}\n${value}`

/** Which line of the file speaks of which member: by its UUID and by its keys in other systems. */
function createClaims() {
  const lines = new Map<string, number>()
  return (row: Row, keys: readonly string[]) => {
    for (const key of keys) {
      const first = lines.get(key)
      if (first === undefined) lines.set(key, row.csv.line)
      else if (first !== row.csv.line) return row.line.refuse('row', `Line ${first} means the same member already.`)
    }
  }
}

/** The UUID of the member that a row means: by id, else by a key in another system; null for a new one. Never by its name. */
async function findMeant(lookups: Lookups, { line }: Row): Promise<string | null> {
  if (line.id !== null) return line.id
  const owners = await Promise.all(line.references.map(lookups.referenceOwner))
  const ids = [...new Set(owners.filter(owner => owner !== null))]
  if (ids.length > 1)
    line.refuse('external_references', 'These keys belong to several members; name the one that is meant by its id.')
  return ids[0] ?? null
}

/** The change that a row makes of a member. @throws InputRefused for all that is wrong with it */
async function checkChange(lookups: Lookups, request: Request, { line }: Row, present: MemberRow): Promise<Edit> {
  const check = checkInput()
  const { id } = present
  const profile = await nextProfile(lookups, request.actor, check, id, present, line.profile, ['row'])
  const given = await checkReferences(lookups, check, line.references, ['row', 'external_references'], id)
  const owners = await Promise.all(given.map(lookups.referenceOwner))
  const references = given.filter((_, i) => owners[i] === null)
  const before = references.length > 0 ? await findReferences(lookups.db, [id]) : []
  const after = [...before.map(({ system, value }) => ({ system, value })), ...references]
  check.size(after, ['row', 'external_references'], mostReferences)
  check.done()
  const edit = await draftEdit(lookups.db, request.actor, present, profile, 'import')
  if (references.length === 0) return edit
  const shown = before.map(({ system, value }) => ({ system, value }))
  const changes = [...edit.changes, { field: 'externalReferences', before: shown, after }]
  return { ...edit, references, changes }
}

/** The checks of rows that are tried together. */
function createChecks(request: Within, claim: ReturnType<typeof createClaims>) {
  const lookups = createLookups(request.db)
  const held = new DataLoader<string, MemberRow | null>(async ids => {
    const members = new Map((await lockMembers(request.db, request.actor, ids)).map(member => [member.id, member]))
    return ids.map(id => members.get(id) ?? null)
  })

  /** What a row comes to that means this member. @throws InputRefused for all that is wrong with it */
  const check = async (row: Row, id: string | null): Promise<Plan> => {
    const { line, csv } = row
    const found = id === null ? null : await held.load(id)
    const present = found && line.id !== null && !isOfKind(row, found) ? null : found
    if (id !== null && !present)
      line.refuse('id', 'There is no such member here. Empty the cell to enter the row as a new member.')
    line.checkAgainst(present)
    line.done()
    for (const column of ['parent', 'lead'] as const)
      if (csv.values[column]) await readMemberId(request.db, csv.values[column], ['row', column])
    if (!present) {
      const input = { ...line.body, profile: line.profile, externalReferences: line.references }
      return { registration: await checkRegistration(lookups, request, input) }
    }
    const edit = await checkChange(lookups, request, row, present)
    if (edit.changes.length > 0 && line.version !== null && line.version !== present.version) {
      const stale = checkInput()
      const told = `CONFLICT: the file shows version ${line.version} and the member is at ${present.version}: somebody changed it since. Export again and make your change there.`
      stale.add('CONFLICT', ['row', 'version'], told, told)
      stale.done()
    }
    return { edit }
  }

  return async (rows: readonly Row[]): Promise<PromiseSettledResult<Plan>[]> => {
    const ids = await Promise.all(rows.map(row => findMeant(lookups, row)))
    for (const [i, row] of rows.entries()) claim(row, [ids[i] ?? [], row.line.references.map(keyOf)].flat())
    return Promise.allSettled(rows.map((row, i) => check(row, ids[i] ?? null)))
  }
}

const isOfKind = ({ csv }: Row, member: MemberRow) => csv.values.id === writeId(memberType(member), member.id)

/** Writes checked rows. @throws InputRefused when the database knows better than the checks */
async function write(request: Within, rows: readonly { row: Row; plan: Plan }[]): Promise<RowOutcome[]> {
  const registrations = rows.flatMap(({ plan }) => ('registration' in plan ? plan.registration : []))
  const edits = rows.flatMap(({ plan }) => ('edit' in plan ? plan.edit : []))
  const members = await refusingTakenCode(['row', 'credit_code'], () =>
    change(request, async (tx, report) => [
      ...(await enterMembers(tx, report, request, registrations)),
      ...(await saveEdits(tx, report, request, edits)),
    ]),
  )
  const byId = new Map(members.map(member => [member.id, member]))
  return rows.map(({ row: { csv, line }, plan }) => {
    const member = byId.get('edit' in plan ? plan.edit.before.id : plan.registration.id)!
    const outcome = 'registration' in plan ? 'created' : plan.edit.changes.length > 0 ? 'changed' : 'unchanged'
    return { line: csv.line, outcome, id: writeId(memberType(member), member.id), name: line.name, reasons: '' }
  })
}

/**
 * Makes the changes of some rows, of which a bad one leaves no trace. Should the writing be refused, such as when two
 * rows have the same credit code, they are tried one by one.
 */
async function tryRows(
  request: Within,
  claim: ReturnType<typeof createClaims>,
  csvRows: readonly CsvRow[],
): Promise<RowOutcome[]> {
  const rows = csvRows.map(csv => ({ csv, line: readMemberLine(csv.values) }))
  const checked = await createChecks(request, claim)(rows)
  const bad = checked.flatMap((result, i) => (result.status === 'rejected' ? refused(rows[i]!, result.reason) : []))
  const good = checked.flatMap((result, i) =>
    result.status === 'fulfilled' ? { row: rows[i]!, plan: result.value } : [],
  )
  await sql`savepoint import_rows`.execute(request.db)
  try {
    const written = await write(request, good)
    await sql`release savepoint import_rows`.execute(request.db)
    return [...written, ...bad]
  } catch (error) {
    await sql`rollback to savepoint import_rows`.execute(request.db)
    const [first, ...others] = good
    if (others.length === 0) return [refused(first!.row, error), ...bad]
    // An error of ours is thrown again by the row that has it.
    const outcomes = [...bad]
    for (const { row } of good) outcomes.push(...(await tryRows(request, claim, [row.csv])))
    return outcomes
  }
}

/** Rows that say who is part of whom are tried alone: two of them may form a circle that neither does by itself. */
function* batchesOf(rows: readonly CsvRow[]): Generator<CsvRow[]> {
  let batch: CsvRow[] = []
  for (const row of rows) {
    const alone = Boolean(row.values.parent || row.values.lead)
    if (batch.length > 0 && (alone || batch.length === batchSize)) {
      yield batch
      batch = []
    }
    if (alone) yield [row]
    else batch.push(row)
  }
  if (batch.length > 0) yield batch
}

/**
 * Makes the changes of all good rows within a transaction.
 * @param progress told how many rows are done
 * @returns what became of each row, in the order of the lines
 */
export async function importRows(
  request: Within,
  rows: readonly CsvRow[],
  progress: (done: number) => void,
): Promise<RowOutcome[]> {
  const claim = createClaims()
  const outcomes: RowOutcome[] = []
  for (const batch of batchesOf(rows)) {
    outcomes.push(...(await tryRows(request, claim, batch)))
    progress(outcomes.length)
  }
  return outcomes.sort((a, b) => a.line - b.line)
}
