import { readFileSync, writeFileSync } from 'node:fs'

/** A file that can't be read or written, for a reason that the operator can mend. */
export class FileError extends Error {}

const reasons: Record<string, string> = {
  ENOENT: 'there is no such file or folder',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of its path is no folder',
  EACCES: 'this user may not',
  EPERM: 'this user may not',
  ENOSPC: 'the disk is full',
  EROFS: 'the disk is read-only',
}

function telling<T>(file: string, what: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    const reason = reasons[(error as NodeJS.ErrnoException).code ?? '']
    throw reason ? new FileError(`The file ${file} can't be ${what}: ${reason}.`, { cause: error }) : error
  }
}

/** @throws FileError */
export function readFile(file: string): Buffer {
  return telling(file, 'read', () => readFileSync(file))
}

/** @throws FileError */
export function writeFile(file: string, text: string): void {
  telling(file, 'written', () => writeFileSync(file, text))
}
