import type { Db } from '../database/client.ts'
import type { InputCheck } from '../input.ts'
import type { MemberRow } from '../members/store.ts'
import { type Audience, findNamed, type RecipientRule } from './audience.ts'

/** A set of recipients as a caller describes it; members by UUID. */
interface RuleInput {
  readonly public?: boolean | null
  readonly allMembers?: boolean | null
  readonly kinds?: readonly MemberRow['kind'][] | null
  readonly regions?: readonly string[] | null
  readonly members?: readonly string[] | null
}

/** To whom an announcement is to be addressed, as a caller describes it. */
export interface AudienceInput {
  readonly include: readonly RuleInput[]
  readonly exclude?: readonly RuleInput[] | null
}

/** The most that one audience may hold: it is read whole for every publication and preview. */
const most = { rules: 50, regions: 400, members: 100 }

function checkRule(
  check: InputCheck,
  rule: RuleInput,
  known: Awaited<ReturnType<typeof findNamed>>,
  field: readonly string[],
): RecipientRule {
  const kinds = [...new Set(rule.kinds ?? [])]
  const regions = rule.regions ?? []
  const members = rule.members ?? []
  check.size(regions, [...field, 'regions'], most.regions)
  check.size(members, [...field, 'members'], most.members)
  const conditions = kinds.length + regions.length + members.length
  if (!rule.public && !rule.allMembers && conditions === 0)
    check.add(
      'REQUIRED',
      field,
      'This rule names nobody. Give public, allMembers, kinds, regions or members.',
      '此条规则未指明任何对象。请给出 public、allMembers、kinds、regions 或 members。',
    )
  if (rule.public && (rule.allMembers || conditions > 0))
    check.add(
      'INVALID',
      [...field, 'public'],
      '"public" stands alone in its rule. Leave out the rest, or put it in a rule of its own.',
      '“public”须单独成为一条规则。请去掉其他条件，或另写一条规则。',
    )
  else if (rule.allMembers && conditions > 0)
    check.add(
      'INVALID',
      [...field, 'allMembers'],
      '"allMembers" stands alone in its rule. Leave it out to narrow the rule down.',
      '“allMembers”须单独成为一条规则。如需缩小范围，请去掉它。',
    )
  regions.forEach((code, i) => {
    if (!known.regions.has(code))
      check.add(
        'NOT_FOUND',
        [...field, 'regions', String(i)],
        `There is no place with the code "${code.slice(0, 20)}". Write six digits of GB/T 2260 such as 510100.`,
        `没有代码为“${code.slice(0, 20)}”的行政区划。请填写 GB/T 2260 的六位代码，例如 510100。`,
      )
  })
  members.forEach((id, i) => {
    if (!known.members.has(id))
      check.add('NOT_FOUND', [...field, 'members', String(i)], 'There is no such member.', '没有这个成员。')
  })
  return {
    public: rule.public ?? false,
    allMembers: rule.allMembers ?? false,
    kinds,
    regions: [...new Set(regions)],
    members: [...new Set(members)],
  }
}

/**
 * Reads an audience as a caller describes it, and gathers in `check` what is wrong with it.
 * That it reaches nobody now is no fault here: it may be written before the members are admitted.
 */
export async function checkAudience(
  db: Db,
  check: InputCheck,
  audience: AudienceInput,
  field: readonly string[],
): Promise<Audience> {
  const exclude = audience.exclude ?? []
  if (audience.include.length === 0)
    check.add('REQUIRED', [...field, 'include'], 'Say who is meant.', '请指明发送对象。')
  check.size(audience.include, [...field, 'include'], most.rules)
  check.size(exclude, [...field, 'exclude'], most.rules)
  exclude.forEach((rule, i) => {
    if (rule.public)
      check.add(
        'INVALID',
        [...field, 'exclude', String(i), 'public'],
        'Everybody cannot be left out; "public" stands in include only.',
        '不能排除所有人；“public”只能用于 include。',
      )
  })
  const rules = [...audience.include, ...exclude]
  const known = await findNamed(db, {
    regions: [...new Set(rules.flatMap(rule => rule.regions ?? []))],
    members: [...new Set(rules.flatMap(rule => rule.members ?? []))],
  })
  return {
    include: audience.include.map((rule, i) => checkRule(check, rule, known, [...field, 'include', String(i)])),
    exclude: exclude.map((rule, i) => checkRule(check, rule, known, [...field, 'exclude', String(i)])),
  }
}
