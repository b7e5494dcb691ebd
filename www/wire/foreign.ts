/** A part of a message: of a library's own type, or written by hand. */
type Part = { type: string } | { type: string; [member: string]: unknown };

/** Messages of other libraries, as far as their types tell; `api/messages` reads them. */
export type ForeignMessage =
  /** The Vercel AI SDK's `ModelMessage`. */
  | { role: string; content: string | readonly Part[] }
  /** Its `UIMessage`. */
  | { id?: string; role: string; parts: readonly Part[]; metadata?: unknown }
  /** An instance of LangChain's classes. */
  | { getType(): string; content: string | readonly object[] }
  | { _getType(): string; content: string | readonly object[] }
  /** What its `toDict()` gives. */
  | { type: string; data: { content: unknown } }
  /** What its `toJSON()` gives. */
  | { lc: number; id: readonly string[]; kwargs: object }
  /** What it takes in the place of one. */
  | { type: string; content: string | readonly object[] }
  | readonly [type: string, content: string | readonly object[]];
