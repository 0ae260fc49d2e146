import type { Actor } from '../access/actor.ts'
import { json } from '../database/json.ts'
import type { InputCheck } from '../input.ts'
import type { Locale, Translations } from '../languages.ts'
import { latinKey, pinyinKey, searchText, strokeKey } from '../name-keys.ts'
import type { VocabularyName } from '../vocabularies/store.ts'
import { checkCreditCode, normaliseCreditCode } from './credit-code.ts'
import { addCreditCodeFault, addCreditCodeTaken } from './credit-code-faults.ts'
import type { Lookups } from './lookups.ts'
import { type FactSource, findChains, lockChains, type MemberRow } from './store.ts'

/** A text in one language; an empty one removes the language. */
export interface Text {
  readonly locale: Locale
  readonly text: string
}

/** What to change of a profile: what is left out stays, null empties. Of translations only the languages named change. */
export interface ProfileChanges {
  readonly names?: readonly Text[] | null
  readonly summaries?: readonly Text[] | null
  readonly descriptions?: readonly Text[] | null
  /** Checked by the scalar URL, as is `websiteUrl`. */
  readonly logoUrl?: string | null
  readonly websiteUrl?: string | null
  /** Codes of the vocabulary FIELD, all of them anew. */
  readonly fields?: readonly string[] | null
  readonly capabilities?: readonly string[] | null
  /** Checked by the scalar PartialDate. */
  readonly founded?: string | null
  readonly size?: number | null
  /** UUID of a member, as is `leadId`. */
  readonly parentId?: string | null
  readonly leadId?: string | null
  /** As people write it; it is normalised here. */
  readonly creditCode?: string | null
  /** Where public facts come from, all of them anew: for imports, since the API does not take them. */
  readonly sources?: readonly FactSource[] | null
}

/** The columns of a member that make its profile. */
export type Profile = Pick<
  MemberRow,
  | 'names'
  | 'summaries'
  | 'descriptions'
  | 'logoUrl'
  | 'websiteUrl'
  | 'fields'
  | 'capabilities'
  | 'founded'
  | 'size'
  | 'parentId'
  | 'leadId'
  | 'creditCode'
  | 'creditCodeReviewed'
  | 'sources'
>

/** The profile of a body of which nothing is known yet. */
export const emptyProfile: Profile = {
  names: {},
  summaries: {},
  descriptions: {},
  logoUrl: null,
  websiteUrl: null,
  fields: [],
  capabilities: [],
  founded: null,
  size: null,
  parentId: null,
  leadId: null,
  creditCode: null,
  creditCodeReviewed: false,
  sources: [],
}

/** The columns of `Profile`. */
export const profileColumns = Object.keys(emptyProfile) as (keyof Profile)[]

const longestName = 200
const longestSummary = 500
const longestDescription = 20_000
const mostTerms = 20

/** What was sent, or what there is when nothing was. */
const sentOr = <T>(sent: T | undefined, present: T): T => (sent === undefined ? present : sent)

function nextTexts(
  check: InputCheck,
  present: Translations,
  sent: readonly Text[] | null | undefined,
  field: readonly string[],
  max: number,
): Translations {
  if (sent === undefined) return present
  return sent === null ? {} : check.translations(present, sent, field, max)
}

function nextNames(
  check: InputCheck,
  present: Translations,
  sent: readonly Text[] | null | undefined,
  field: readonly string[],
): Translations {
  const names = nextTexts(check, present, sent, field, longestName)
  if (Object.keys(names).length === 0)
    check.add('REQUIRED', field, 'A member needs a name in at least one language.', '成员至少须有一种语言的名称。')
  for (const [locale, name] of Object.entries(names))
    if (name !== present[locale] && (/[\p{Cc}\p{Cs}]/u.test(name) || !/[\p{L}\p{N}]/u.test(name)))
      check.add(
        'INVALID',
        [...field, locale],
        'A name holds letters or digits, and no line breaks or control characters.',
        '名称须含有文字或数字，且不能含有换行或控制字符。',
      )
  return names
}

/** The codes once each, checked against their vocabulary. */
async function nextTerms(
  lookups: Lookups,
  check: InputCheck,
  present: Profile,
  sent: ProfileChanges,
  field: readonly string[],
): Promise<Pick<Profile, 'fields' | 'capabilities'>> {
  const wanted = [
    { name: 'fields', vocabulary: 'FIELD' },
    { name: 'capabilities', vocabulary: 'CAPABILITY' },
  ] as const satisfies { name: keyof Profile; vocabulary: VocabularyName }[]
  const next = {
    fields: [...new Set(sentOr(sent.fields, present.fields))],
    capabilities: [...new Set(sentOr(sent.capabilities, present.capabilities))],
  }
  for (const { name } of wanted) check.size(next[name], [...field, name], mostTerms)
  const asked = wanted.flatMap(({ name, vocabulary }) =>
    next[name]
      .filter(code => !present[name].includes(code))
      .map(code => ({ name, code, key: `${vocabulary} ${code}` })),
  )
  const known = new Set<string>()
  await Promise.all(asked.map(async ({ key }) => (await lookups.hasTerm(key)) && known.add(key)))
  for (const { name, vocabulary } of wanted) {
    const unknown = asked
      .filter(entry => entry.name === name && !known.has(entry.key))
      .map(({ code }) => code.slice(0, 60))
    if (unknown.length > 0)
      check.add(
        'NOT_FOUND',
        [...field, name],
        `The vocabulary ${vocabulary} has no ${unknown.join(', ')}. Ask for vocabulary(name: ${vocabulary}) to see its codes.`,
        `词表 ${vocabulary} 中没有 ${unknown.join('、')}。可用 vocabulary(name: ${vocabulary}) 查询其代码。`,
      )
  }
  return next
}

/** Parent and lead: that they exist, are others, and close no circle. */
async function nextBodies(
  lookups: Lookups,
  actor: Actor,
  check: InputCheck,
  self: string | null,
  present: Profile,
  sent: ProfileChanges,
  field: readonly string[],
): Promise<Pick<Profile, 'parentId' | 'leadId'>> {
  const next = {
    parentId: sentOr(sent.parentId, present.parentId),
    leadId: sentOr(sent.leadId, present.leadId),
  }
  const changed = {
    parentId: next.parentId === present.parentId ? null : next.parentId,
    leadId: next.leadId === present.leadId ? null : next.leadId,
  }
  if (changed.parentId === null && changed.leadId === null) return next
  await lockChains(lookups.db)
  const chains = await findChains(lookups.db, actor, changed)
  for (const link of ['parent', 'lead'] as const) {
    const id = changed[`${link}Id`]
    if (id === null) continue
    const chain = chains.filter(entry => entry.link === link).map(entry => entry.id)
    if (!chain.includes(id)) check.add('NOT_FOUND', [...field, link], 'There is no such member.', '没有这个成员。')
    else if (id === self)
      check.add(
        'INVALID',
        [...field, link],
        link === 'parent' ? 'A member is no part of itself.' : 'A member needs no lead to lead itself; leave it out.',
        link === 'parent' ? '成员不能隶属于自身。' : '成员无需以自身为牵头单位，请留空。',
      )
    else if (self !== null && chain.includes(self))
      check.add(
        'INVALID',
        [...field, link],
        'That body already stands below this one; the two would form a circle.',
        '该单位已处于本成员之下，二者会形成循环。',
      )
  }
  return next
}

async function nextCreditCode(
  lookups: Lookups,
  check: InputCheck,
  self: string | null,
  present: Profile,
  sent: string | null | undefined,
  field: readonly string[],
): Promise<Pick<Profile, 'creditCode' | 'creditCodeReviewed'>> {
  const code = sent === undefined ? present.creditCode : normaliseCreditCode(sent ?? '') || null
  // A reviewed code sent back as it was read stays reviewed.
  if (code === present.creditCode)
    return { creditCode: present.creditCode, creditCodeReviewed: present.creditCodeReviewed }
  if (code !== null) {
    const fault = checkCreditCode(code)
    if (fault) addCreditCodeFault(check, field, fault)
    else if (((await lookups.creditCodeOwner(code)) ?? self) !== self) addCreditCodeTaken(check, field)
  }
  return { creditCode: code, creditCodeReviewed: false }
}

/**
 * The profile as it will stand after the changes. What is wrong with them goes to `check`; ask it before writing.
 * @param self the UUID of the member; null for one that is being entered
 * @param field the path of the changes in the input
 */
export async function nextProfile(
  lookups: Lookups,
  actor: Actor,
  check: InputCheck,
  self: string | null,
  present: Profile,
  sent: ProfileChanges,
  field: readonly string[],
): Promise<Profile> {
  const at = (name: keyof ProfileChanges) => [...field, name]
  const size = sentOr(sent.size, present.size)
  if (size !== null && size < 0)
    check.add('INVALID', at('size'), 'A number of people is 0 or more.', '人数不能为负数。')
  return {
    names: nextNames(check, present.names, sent.names, at('names')),
    summaries: nextTexts(check, present.summaries, sent.summaries, at('summaries'), longestSummary),
    descriptions: nextTexts(check, present.descriptions, sent.descriptions, at('descriptions'), longestDescription),
    logoUrl: sentOr(sent.logoUrl, present.logoUrl),
    websiteUrl: sentOr(sent.websiteUrl, present.websiteUrl),
    founded: sentOr(sent.founded, present.founded),
    size,
    sources: [...(sentOr(sent.sources, present.sources) ?? [])],
    ...(await nextTerms(lookups, check, present, sent, field)),
    ...(await nextBodies(lookups, actor, check, self, present, sent, field)),
    ...(await nextCreditCode(lookups, check, self, present, sent.creditCode, at('creditCode'))),
  }
}

/** The profile of a member, without the rest of the row. */
export function profileOf(member: MemberRow): Profile {
  const profile: Profile = { ...emptyProfile }
  return Object.assign(profile, Object.fromEntries(profileColumns.map(column => [column, member[column]])))
}

/** A profile as the table takes it. */
export function columnsOf({ names, summaries, descriptions, sources, ...rest }: Profile) {
  return {
    ...rest,
    names: json(names),
    summaries: json(summaries),
    descriptions: json(descriptions),
    sources: json(sources) as never,
  }
}

/** How much of a sort key is kept: some 80 characters of a name by stroke. An index entry holds 2,700 bytes. */
const keyLength = 400

/** The columns by which names are ordered and searched. */
export function nameKeys(names: Translations): Pick<MemberRow, 'pinyinKey' | 'strokeKey' | 'latinKey' | 'search'> {
  const chinese = names['zh-Hans'] ?? names['zh-Hant'] ?? Object.values(names)[0] ?? ''
  // By code point, since half a surrogate pair is no text.
  const cut = (key: string) => (key.length <= keyLength ? key : [...key].slice(0, keyLength).join(''))
  return {
    pinyinKey: cut(pinyinKey(chinese)),
    strokeKey: cut(strokeKey(chinese)),
    latinKey: cut(latinKey(names)),
    search: searchText(names, []),
  }
}
