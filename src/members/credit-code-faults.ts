import type { InputCheck } from '../input.ts'
import type { CreditCodeFault } from './credit-code.ts'

/**
 * Tells what is wrong with a unified social credit code. The check character that would fit is not named: whoever
 * mistyped another one would be led to a sound code of somebody else.
 */
export function addCreditCodeFault(check: InputCheck, field: readonly string[], fault: CreditCodeFault): void {
  switch (fault.kind) {
    case 'LENGTH':
      check.add(
        'INVALID',
        field,
        `A unified social credit code has ${fault.expected} characters; this has ${fault.length}.`,
        `统一社会信用代码为 ${fault.expected} 位，此处为 ${fault.length} 位。`,
      )
      return
    case 'ALPHABET': {
      const digits = fault.position >= 3 && fault.position <= 8
      check.add(
        'INVALID',
        field,
        `"${fault.character}" can't stand at position ${fault.position} of a unified social credit code; ` +
          (digits
            ? 'positions 3 to 8 are digits.'
            : 'digits and capital letters without I, O, S, V and Z can. Is it a 1, 0, 5 or 2?'),
        `统一社会信用代码第 ${fault.position} 位不能是“${fault.character}”；` +
          (digits
            ? '第 3 至 8 位须为数字。'
            : '只能是数字和除 I、O、S、V、Z 以外的大写字母，请核对是否为 1、0、5 或 2。'),
      )
      return
    }
    case 'REGISTRY':
      check.add(
        'INVALID',
        field,
        fault.position === 1
          ? `A unified social credit code can't begin with "${fault.character}": no registering authority has it.`
          : `"${fault.character}" can't stand at position 2 of this unified social credit code: the registering authority of position 1 registers no such kind of organisation.`,
        fault.position === 1
          ? `统一社会信用代码不能以“${fault.character}”开头：没有对应的登记管理部门。`
          : `统一社会信用代码第 2 位不能是“${fault.character}”：第 1 位所示的登记管理部门没有此机构类别。`,
      )
      return
    case 'CHECK':
      check.add(
        'CREDIT_CODE_CHECK',
        field,
        `The check character "${fault.character}" does not fit the other 17: compare the code with the certificate, character by character. If the certificate shows it so, ask the secretariat to enter it with approveCreditCode.`,
        `校验位“${fault.character}”与前 17 位不符：请对照证书逐位核对。如证书确为此码，请由秘书处用 approveCreditCode 审核录入。`,
      )
  }
}

/** Tells that another member has the code. */
export function addCreditCodeTaken(check: InputCheck, field: readonly string[]): void {
  check.add(
    'TAKEN',
    field,
    'Another member has this code. A body is entered once: look for it with members(filter: { name }), or ask the secretariat.',
    '该代码已属于另一成员。每个单位只登记一次：请用 members(filter: { name }) 查找，或联系秘书处。',
  )
}
