import type { Request } from '../access/request.ts'
import { transact } from '../database/transaction.ts'
import type { NewEvent } from '../journal/catalog.ts'
import { decodeText, readCsv, writeCsv } from './csv.ts'
import { readFile, writeFile } from './file.ts'
import { importRows, type RowOutcome } from './import-rows.ts'
import { memberColumns } from './member-columns.ts'

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

/**
 * Enters and changes members by a CSV file, in one transaction.
 * @throws FileError or CsvError when the file can't be read at all
 */
export async function importMembers(
  request: Request,
  file: string,
  options: ImportOptions = {},
): Promise<ImportSummary> {
  const { print = console.log, progress = showProgress } = options
  const { text, encoding } = decodeText(readFile(file))
  const rows = readCsv(text, {
    columns: { required: ['kind'], optional: memberColumns.filter(name => name !== 'kind') },
  })
  let outcomes: RowOutcome[] = []
  let kept = false
  let events: NewEvent[] = []
  try {
    await transact(request.db, async tx => {
      events = []
      const within = { ...request, db: tx, wake: (more: readonly NewEvent[]) => void events.push(...more) }
      outcomes = await importRows(within, rows, done => progress(done, rows.length))
      const isBad = outcomes.some(({ outcome }) => outcome === 'refused')
      kept = !options.dryRun && (!isBad || options.keepGood === true)
      if (!kept) throw new Undone()
    })
  } catch (error) {
    if (!(error instanceof Undone)) throw error
  }
  if (kept) request.wake(events)

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
        : 'Nothing was changed, since rows were refused: mend them, or use --keep-good to import the others.',
    )
  if (options.report)
    writeFile(
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
