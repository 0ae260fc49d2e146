import { InvalidInput, text } from '../errors.ts'

/** Checks a GB/T 2260 code as a caller wrote it. @throws InvalidInput when it is not six digits */
export function readRegionCode(code: string): string {
  if (/^\d{6}$/.test(code)) return code
  throw new InvalidInput(
    text(
      `"${code.slice(0, 20)}" is no code of GB/T 2260; write six digits such as 510100.`,
      `“${code.slice(0, 20)}”不是 GB/T 2260 行政区划代码，请填写六位数字，例如 510100。`,
    ),
  )
}
