import { readFileSync, writeFileSync } from 'node:fs'
import { sql } from 'kysely'
import type { Request } from '../access/request.ts'
import type { Tx } from '../database/client.ts'
import { transact } from '../database/transaction.ts'
import { type InputFault, InputRefused, PublicError } from '../errors.ts'
import { writeId } from '../ids.ts'
import { memberType } from '../members/policy.ts'
import { registerMember, updateProfile } from '../members/service.ts'
import { findMembers, findTakenReferences, type MemberRow } from '../members/store.ts'
import { type CsvRow, decodeText, readCsv, writeCsv } from './csv.ts'
import { memberColumns } from './member-columns.ts'
import { type MemberLine, readMemberLine } from './member-line.ts'

/** What becomes of one row. */
interface RowOutcome {
  readonly line: number
  readonly outcome: 'created' | 'changed' | 'unchanged' | 'refused'
  /** The id of the member; empty for one that was not entered. */
  readonly id: string
  readonly name: string
  /** Why it was refused; empty otherwise. */
  readonly reasons: string
}

/** How many rows had which outcome, and whether the changes were made. */
export interface ImportSummary extends Readonly<Record<RowOutcome['outcome'], number>> {
  readonly kept: boolean
}

export interface ImportOptions {
  /** Only tell what would happen. */
  readonly dryRun?: boolean
  /** Make the changes of the good rows although others are refused. */
  readonly keepGood?: boolean
  /** A file that the outcome of every row is written to, as CSV. */
  readonly report?: string
  /** Where a line for every row and the summary go. */
  readonly print?: (line: string) => void
  /** Told how many rows are done, from time to time. */
  readonly progress?: (done: number, all: number) => void
}

/** Ends a transaction whose changes are not wanted, after they were tried. */
class Undone extends Error {}

const describe = (faults: readonly InputFault[]) =>
  faults.map(({ field, text }) => `${field.slice(1).join('.') || 'row'}: ${text.en}`).join(' ')

/** The member that a row means: by id, else by a key in another system; null for a new one. Never by its name. */
async function findMeant(tx: Tx, request: Request, row: MemberLine): Promise<MemberRow | null> {
  const taken = row.id === null && row.references.length > 0 ? await findTakenReferences(tx, row.references) : []
  const ids = row.id !== null ? [row.id] : [...new Set(taken.map(({ memberId }) => memberId))]
  if (ids.length > 1)
    row.refuse('external_references', 'These keys belong to several members; name the one that is meant by its id.')
  const [member] = ids.length === 1 ? await findMembers(tx, request.actor, ids) : []
  if (row.id !== null && !member)
    row.refuse('id', 'There is no such member here. Empty the cell to enter the row as a new member.')
  return member ?? null
}

/** Makes the change of one row. @throws InputRefused with all that is wrong with it */
async function importRow(tx: Tx, request: Request, cells: CsvRow): Promise<Omit<RowOutcome, 'line' | 'reasons'>> {
  const row = readMemberLine(cells.values)
  const present = await findMeant(tx, request, row)
  row.checkAgainst(present)
  row.done()
  const show = (outcome: RowOutcome['outcome'], member: MemberRow) => ({
    outcome,
    id: writeId(memberType(member), member.id),
    name: row.name,
  })
  if (!present)
    return show(
      'created',
      await registerMember(request, { ...row.body, profile: row.profile, externalReferences: row.references }),
    )
  const changed = await updateProfile(request, present.id, {
    expectedVersion: present.version,
    profile: row.profile,
    reason: 'import',
  })
  return show(changed.version === present.version ? 'unchanged' : 'changed', changed)
}

/** Tries one row on its own, so that a bad one leaves no trace and the next can go on. */
async function tryRow(tx: Tx, request: Request, row: CsvRow): Promise<RowOutcome> {
  await sql`savepoint import_row`.execute(tx)
  try {
    const done = await importRow(tx, request, row)
    await sql`release savepoint import_row`.execute(tx)
    return { line: row.line, reasons: '', ...done }
  } catch (error) {
    if (!(error instanceof InputRefused || error instanceof PublicError)) throw error
    await sql`rollback to savepoint import_row`.execute(tx)
    const reasons = error instanceof InputRefused ? describe(error.faults) : error.message
    const name = row.values.name_zh_hans || row.values.name_en || ''
    return { line: row.line, outcome: 'refused', id: row.values.id ?? '', name, reasons }
  }
}

/**
 * Enters and changes members by a CSV file, in one transaction.
 * @throws CsvError when the file can't be read at all
 */
export async function importMembers(
  request: Request,
  file: string,
  options: ImportOptions = {},
): Promise<ImportSummary> {
  const { print = console.log, progress = showProgress } = options
  const { text, encoding } = decodeText(readFileSync(file))
  const rows = readCsv(text, {
    columns: { required: ['kind'], optional: memberColumns.filter(name => name !== 'kind') },
  })
  let outcomes: RowOutcome[] = []
  let kept = false
  try {
    await transact(request.db, async tx => {
      const within: Request = { ...request, db: tx, wake: () => undefined }
      outcomes = []
      for (const row of rows) {
        outcomes.push(await tryRow(tx, within, row))
        if (outcomes.length % 100 === 0) progress(outcomes.length, rows.length)
      }
      progress(rows.length, rows.length)
      const isBad = outcomes.some(({ outcome }) => outcome === 'refused')
      kept = !options.dryRun && (!isBad || options.keepGood === true)
      if (!kept) throw new Undone()
    })
  } catch (error) {
    if (!(error instanceof Undone)) throw error
  }
  if (kept) request.wake()

  for (const { line, outcome, id, name, reasons } of outcomes)
    print(`line ${line}: ${outcome} ${[name, id].filter(Boolean).join(' ')}${reasons && ` — ${reasons}`}`)
  const count = (wanted: RowOutcome['outcome']) => outcomes.filter(({ outcome }) => outcome === wanted).length
  const summary = {
    created: count('created'),
    changed: count('changed'),
    unchanged: count('unchanged'),
    refused: count('refused'),
    kept,
  }
  print(
    `${rows.length} rows (${encoding}): ${summary.created} created, ${summary.changed} changed, ${summary.unchanged} unchanged, ${summary.refused} refused.`,
  )
  if (!kept)
    print(
      options.dryRun
        ? 'Nothing was changed: this was a dry run.'
        : 'Nothing was changed: mend the refused rows, or use --keep-good to import the others.',
    )
  if (options.report)
    writeFileSync(
      options.report,
      writeCsv(
        ['line', 'outcome', 'id', 'name', 'reasons'],
        outcomes.map(outcome => ({ ...outcome, line: String(outcome.line) })),
        { bom: true },
      ),
    )
  return summary
}

/** Tells on a terminal how far the import is; elsewhere says nothing. */
function showProgress(done: number, all: number): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${done} of ${all} rows${done === all ? '\n' : ''}`)
}
