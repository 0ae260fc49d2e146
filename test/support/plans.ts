import pg from 'pg'

/** A statement as the service sent it. */
export interface Statement {
  readonly text: string
  readonly values: readonly unknown[]
}

/** Runs `work` and answers what it sent to PostgreSQL, over whatever connection. */
export async function captureStatements(work: () => Promise<unknown>): Promise<Statement[]> {
  const { prototype } = pg.Client
  const original = prototype.query
  const sent: Statement[] = []
  prototype.query = function (this: pg.Client, ...args: unknown[]) {
    const [first, second] = args
    const { text, values } = (typeof first === 'string' ? { text: first, values: second } : first) as Partial<Statement>
    if (text && /^\s*(select|with)\b/i.test(text)) sent.push({ text, values: Array.isArray(values) ? values : [] })
    return (original as (...all: unknown[]) => unknown).apply(this, args)
  } as never
  try {
    await work()
  } finally {
    prototype.query = original
  }
  return sent
}

interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly 'Actual Rows': number
  readonly 'Actual Loops': number
  readonly 'Rows Removed by Filter'?: number
  readonly 'Rows Removed by Index Recheck'?: number
  readonly 'Shared Hit Blocks': number
  readonly 'Shared Read Blocks': number
  readonly Plans?: readonly PlanNode[]
}

/** What a statement did. */
export interface Plan {
  /** Tables that were read from end to end. */
  readonly scanned: readonly string[]
  /** The most rows that one sort took in at a time. */
  readonly sorted: number
  /** The most rows that were read of one table: those found, and those looked at and dropped. */
  readonly visited: number
  /** Pages of tables and indexes that were looked at. */
  readonly blocks: number
  readonly milliseconds: number
}

const rowsOf = (node: PlanNode) => node['Actual Rows'] * node['Actual Loops']

function* nodesOf(node: PlanNode): Generator<PlanNode> {
  yield node
  for (const child of node.Plans ?? []) yield* nodesOf(child)
}

function readPlan(root: PlanNode, milliseconds: number): Plan {
  const nodes = [...nodesOf(root)]
  const dropped = (node: PlanNode) =>
    ((node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)) * node['Actual Loops']
  const read = nodes.filter(node => node['Relation Name'])
  const byTable = Map.groupBy(read, node => node['Relation Name']!)
  const sorts = nodes.filter(node => node['Node Type'] === 'Sort' || node['Node Type'] === 'Incremental Sort')
  return {
    scanned: read.filter(node => node['Node Type'] === 'Seq Scan').map(node => node['Relation Name']!),
    sorted: Math.max(0, ...sorts.flatMap(node => (node.Plans ?? []).map(child => child['Actual Rows']))),
    visited: Math.max(
      0,
      ...[...byTable.values()].map(of => of.reduce((sum, node) => sum + rowsOf(node) + dropped(node), 0)),
    ),
    blocks: root['Shared Hit Blocks'] + root['Shared Read Blocks'],
    milliseconds,
  }
}

/** A value as text of SQL: its type is that of the parameter. */
function literal(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  if (value instanceof Date) return pg.escapeLiteral(value.toISOString())
  if (Array.isArray(value)) {
    const quoted = value.map(element =>
      JSON.stringify(String(element instanceof Date ? element.toISOString() : element)),
    )
    return pg.escapeLiteral(`{${quoted.join(',')}}`)
  }
  return pg.escapeLiteral(String(value))
}

let given = 0

/**
 * Runs a statement once more and tells what it did.
 * @param mode how PostgreSQL plans it: for its values, or once for all values
 */
export async function explain(
  client: pg.Client,
  { text, values }: Statement,
  mode: 'custom' | 'generic',
): Promise<Plan> {
  const name = `explained_${++given}`
  await client.query(`set plan_cache_mode = force_${mode}_plan`)
  await client.query(`prepare ${name} as ${text}`)
  const call = values.length > 0 ? `(${values.map(literal).join(', ')})` : ''
  const { rows } = await client.query(`explain (analyze, buffers, format json) execute ${name}${call}`)
  await client.query(`deallocate ${name}`)
  const [answer] = rows[0]['QUERY PLAN'] as [{ Plan: PlanNode; 'Execution Time': number }]
  return readPlan(answer.Plan, answer['Execution Time'])
}
