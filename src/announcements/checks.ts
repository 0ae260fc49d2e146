import type { Fault } from '../errors.ts'
import type { InputCheck } from '../input.ts'
import type { Locale, Translations } from '../languages.ts'
import type { Attachment } from './store.ts'

/** A text in one language, as a caller sends it. */
export interface TextInput {
  readonly locale: Locale
  readonly text: string
}

/** A file as a caller describes it. */
export interface AttachmentInput {
  readonly name: string
  readonly url: string
  readonly sha256: string
  readonly bytes?: number | null
  readonly mediaType?: string | null
}

/** Three bytes for a character of Chinese: a text of 20,000 and all that goes with it pass the door, which takes 100 KB. */
const most = { title: 200, body: 20_000, attachments: 20, fileName: 200, mediaType: 100 }
const day = 86_400_000
/** How far ahead a publication can be scheduled. */
const furthest = 400 * day

/** Titles and texts with those sent put in; every language that has one must have the other. */
export function checkTexts(
  check: InputCheck,
  present: { titles: Translations; bodies: Translations },
  sent: { titles?: readonly TextInput[] | null; bodies?: readonly TextInput[] | null },
): { titles: Translations; bodies: Translations } {
  const titles = check.translations(present.titles, sent.titles ?? [], ['input', 'titles'], most.title)
  const bodies = check.translations(present.bodies, sent.bodies ?? [], ['input', 'bodies'], most.body)
  if (Object.keys(titles).length === 0)
    check.add('REQUIRED', ['input', 'titles'], 'Write a title in at least one language.', '请至少用一种语言填写标题。')
  for (const locale of Object.keys(titles))
    if (!(locale in bodies))
      check.add(
        'REQUIRED',
        ['input', 'bodies'],
        `There is a title in ${locale}, but no text.`,
        `${locale} 有标题而没有正文。`,
      )
  for (const locale of Object.keys(bodies))
    if (!(locale in titles))
      check.add(
        'REQUIRED',
        ['input', 'titles'],
        `There is a text in ${locale}, but no title.`,
        `${locale} 有正文而没有标题。`,
      )
  return { titles, bodies }
}

/** The files of an announcement, in the order given. */
export function checkAttachments(check: InputCheck, sent: readonly AttachmentInput[]): Attachment[] {
  const field = ['input', 'attachments']
  check.size(sent, field, most.attachments)
  return sent.map((file, i) => {
    const at = [...field, String(i)]
    if (file.bytes != null && file.bytes < 0)
      check.add('INVALID', [...at, 'bytes'], 'A file has 0 bytes or more.', '文件的字节数不能小于 0。')
    const mediaType = check.optionalText(file.mediaType, [...at, 'mediaType'], most.mediaType)
    if (mediaType !== null && !/^[\w!#$&^.+-]+\/[\w!#$&^.+-]+$/.test(mediaType))
      check.add(
        'INVALID',
        [...at, 'mediaType'],
        'Write a media type such as application/pdf.',
        '请填写媒体类型，例如 application/pdf。',
      )
    return {
      name: check.text(file.name, [...at, 'name'], most.fileName),
      url: file.url,
      sha256: file.sha256,
      bytes: file.bytes ?? null,
      mediaType,
    }
  })
}

/** Why a moment can't be taken; null when it can. */
export interface MomentFault {
  readonly code: Fault
  readonly en: string
  readonly zh: string
}

/** Checks a moment of publication: ahead, and not further than 400 days. */
export function publishAtFault(publishAt: Date, now: Date): MomentFault | null {
  if (publishAt <= now)
    return {
      code: 'IN_THE_PAST',
      en: 'This moment lies in the past. Name one ahead, or publish at once.',
      zh: '该时刻已经过去。请填写将来的时刻，或直接发布。',
    }
  if (publishAt.getTime() - now.getTime() > furthest)
    return {
      code: 'INVALID',
      en: 'A publication can be scheduled 400 days ahead at most.',
      zh: '最多可提前 400 天安排发布。',
    }
  return null
}

/** Checks a deadline: ahead, and after the publication when that is scheduled. */
export function acknowledgeByFault(acknowledgeBy: Date, publishAt: Date | null, now: Date): MomentFault | null {
  if (acknowledgeBy <= now)
    return {
      code: 'IN_THE_PAST',
      en: 'The deadline of acknowledgement lies in the past. Name one ahead.',
      zh: '确认期限已经过去，请填写将来的时刻。',
    }
  if (publishAt !== null && acknowledgeBy <= publishAt)
    return {
      code: 'INVALID',
      en: 'The deadline of acknowledgement must come after the publication.',
      zh: '确认期限须晚于发布时刻。',
    }
  return null
}

/** Checks the end of a pin: ahead. */
export function pinnedUntilFault(pinnedUntil: Date, now: Date): MomentFault | null {
  if (pinnedUntil > now) return null
  return {
    code: 'IN_THE_PAST',
    en: 'The pin would end in the past. Name a moment ahead, or null for no pin.',
    zh: '置顶的结束时刻已经过去。请填写将来的时刻；如不置顶，请填 null。',
  }
}
