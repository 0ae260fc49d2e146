/** What a position of the code admits, as GB 32100-2015 writes it: the letters I, O, Z, S and V are left out. */
const alphabet = '0123456789ABCDEFGHJKLMNPQRTUWXY'
const codeLength = 18
const modulus = 31

/** Positions 3 to 8: the division code of the registering authority (GB/T 2260), digits only. */
const divisionStart = 3
const divisionEnd = 8

/**
 * Registering authority 登记管理部门 (position 1) and the kinds of organisation 机构类别 (position 2) that it registers.
 * Source: the tables printed at http://ddrv.cn/?p=726373 after GB 32100-2015 and its later additions A and N.
 */
const categoriesByRegistry: Readonly<Record<string, string>> = {
  '1': '1239', // 机构编制: 机关, 事业单位, 群众团体, 其他
  '2': '19', // 外交: 外国常驻新闻机构, 其他
  '3': '123459', // 司法行政: 律师执业机构, 公证处, 基层法律服务所, 司法鉴定机构, 仲裁委员会, 其他
  '4': '19', // 文化: 外国在华文化中心, 其他
  '5': '1239', // 民政: 社会团体, 民办非企业单位, 基金会, 其他
  '6': '129', // 旅游: 外国, 港澳台 representative offices, 其他
  '7': '129', // 宗教: 宗教活动场所, 宗教院校, 其他
  '8': '19', // 工会: 基层工会, 其他
  '9': '123', // 工商: 企业, 个体工商户, 农民专业合作社
  A: '19', // 中央军委改革和编制办公室: 军队事业单位, 其他
  N: '1239', // 农业: 组级, 村级, 乡镇级 集体经济组织, 其他
  Y: '1', // 其他: not divided further
}

/** Why a text is not a unified social credit code. Positions count from 1. */
export type CreditCodeFault =
  | { readonly kind: 'LENGTH'; readonly length: number; readonly expected: number }
  | { readonly kind: 'ALPHABET'; readonly position: number; readonly character: string }
  | { readonly kind: 'REGISTRY'; readonly position: 1 | 2; readonly character: string }
  | { readonly kind: 'CHECK'; readonly character: string; readonly expected: string }

/**
 * Bring a code as people type or paste it into the form that is stored: full-width characters folded (NFKC), upper
 * case, without white space, hyphens of any kind or invisible characters (a zero-width space comes along from web
 * pages).
 */
export function normaliseCreditCode(text: string): string {
  return (
    text
      .normalize('NFKC')
      .toUpperCase()
      .normalize('NFKC')
      .replace(/[\s\p{Pd}\p{Cf}\u2212]/gu, '')
      // Marks that a space kept apart stand together now, and have an order of their own.
      .normalize('NFKC')
  )
}

/**
 * Check a normalised unified social credit code 统一社会信用代码 by GB 32100-2015 and name the first fault, or null when it
 * is sound.
 *
 * 18 characters: registry, category, six digits of GB/T 2260, nine characters of organisation code, check character.
 * The check character is `alphabet[(31 - sum(value × 3^(i-1) mod 31) mod 31) mod 31]`: the outer modulus turns 31
 * into 0. 31 is prime and no weight is 0, so every single wrong character is found.
 *
 * A few codes issued early in pilot areas are valid in law though their check character does not fit. They give
 * CHECK and nothing else, so that a reviewer can let exactly these through. Whether the division exists and whether
 * the ninth digit of the organisation code fits is not asked: divisions are abolished, codes stay.
 */
export function checkCreditCode(code: string): CreditCodeFault | null {
  const characters = [...code]
  if (characters.length !== codeLength) return { kind: 'LENGTH', length: characters.length, expected: codeLength }

  for (const [index, character] of characters.entries()) {
    const position = index + 1
    const digitOnly = position >= divisionStart && position <= divisionEnd
    if (!(digitOnly ? /^[0-9]$/.test(character) : alphabet.includes(character))) {
      return { kind: 'ALPHABET', position, character }
    }
  }

  const [registry = '', category = ''] = characters
  const categories = categoriesByRegistry[registry]
  if (categories === undefined) return { kind: 'REGISTRY', position: 1, character: registry }
  if (!categories.includes(category)) return { kind: 'REGISTRY', position: 2, character: category }

  const character = characters[codeLength - 1] ?? ''
  const expected = checkCharacter(characters.slice(0, -1))
  return character === expected ? null : { kind: 'CHECK', character, expected }
}

function checkCharacter(characters: readonly string[]): string {
  let sum = 0
  let weight = 1
  for (const character of characters) {
    sum += alphabet.indexOf(character) * weight
    weight = (weight * 3) % modulus
  }
  return alphabet.charAt((modulus - (sum % modulus)) % modulus)
}
