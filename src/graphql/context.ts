import type { Request } from '../access/request.ts'
import type { Locale } from '../languages.ts'
export interface Context { readonly request: Request; readonly locale: Locale }
