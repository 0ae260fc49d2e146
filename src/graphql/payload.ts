import { type InputFault, InputRefused } from '../errors.ts'

/**
 * Runs a use case and shows its outcome as a payload: the thing under its name, or what to mend.
 * Errors other than InputRefused pass through.
 */
export async function payload<Name extends string, Row>(
  name: Name,
  run: () => Promise<Row>,
): Promise<Record<Name, Row | null> & { userErrors: InputFault[] }> {
  try {
    return { [name]: await run(), userErrors: [] } as never
  } catch (error) {
    if (!(error instanceof InputRefused)) throw error
    return { [name]: error.current as Row | null, userErrors: [...error.faults] } as never
  }
}
