import { InvalidInput, text } from '../errors.ts'

/** A place in the journal: everything up to and including `seq` has been heard. */
export interface Position {
  /** UUID of the log's history. Another one means that the log was replaced and `seq` counts other events. */
  readonly epoch: string
  /** From 0, before the first event. */
  readonly seq: number
}

const written = /^j1:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):(0|[1-9][0-9]{0,15})$/

/** The position as clients hold it: opaque, of letters, digits, `-` and `_`. */
export function writeCursor(position: Position): string {
  return Buffer.from(`j1:${position.epoch}:${position.seq}`).toString('base64url')
}

/** @throws InvalidInput when it is no cursor that `writeCursor` made */
export function readCursor(cursor: string): Position {
  const parts = cursor.length > 100 ? null : written.exec(Buffer.from(cursor, 'base64url').toString('latin1'))
  const position = parts && { epoch: parts[1]!, seq: Number(parts[2]) }
  // Written anew it must be the same: base64url has several spellings for one text.
  if (!position || !Number.isSafeInteger(position.seq) || writeCursor(position) !== cursor)
    throw new InvalidInput(
      text(
        'This is no cursor of the journal. Give the cursor of an event or an asOf unchanged, or leave it out to follow from now on.',
        '这不是日志游标。请原样使用事件的 cursor 或查询返回的 asOf，或省略它，从现在开始接收。',
      ),
    )
  return position
}
