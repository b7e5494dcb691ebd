/** What a page may take of a device's memory, as far as that is known: browsers do not tell. */

/** Bytes, and who allows them, as the subject of a sentence. */
export interface Budget {
  bytes: number;
  who: string;
}

/** What is needed of a `Navigator`. */
export interface Facts {
  userAgent: string;
  /** GB; not told by all, and 8 is told of all that have more. */
  deviceMemory?: number;
}

/** Where browsers end a page that takes more; `touch`: the device has a touch screen. */
export function budget({ userAgent, deviceMemory }: Facts, touch: boolean): Budget | undefined {
  if (/iPhone|iPod/.test(userAgent)) return { bytes: 1.5e9, who: "a page on an iPhone" };
  // An iPad says that it is a Mac, which has no touch screen.
  if (/iPad/.test(userAgent) || (touch && /Macintosh/.test(userAgent))) return { bytes: 3e9, who: "a page on an iPad" };
  if (deviceMemory !== undefined && deviceMemory < 8)
    return { bytes: deviceMemory * 5e8, who: `a page on a device of ${deviceMemory} GB` };
  return undefined;
}
