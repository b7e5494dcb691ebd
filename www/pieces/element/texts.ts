/** What the element says, in ten languages; a page may say any of it otherwise (`element.texts`). */
import ar from "./texts/ar.json" with { type: "json" };
import de from "./texts/de.json" with { type: "json" };
import { en } from "./texts/en.js";
import es from "./texts/es.json" with { type: "json" };
import fr from "./texts/fr.json" with { type: "json" };
import hi from "./texts/hi.json" with { type: "json" };
import ja from "./texts/ja.json" with { type: "json" };
import pt from "./texts/pt.json" with { type: "json" };
import ru from "./texts/ru.json" with { type: "json" };
import zh from "./texts/zh.json" with { type: "json" };

export type TextKey = keyof typeof en;

/**
 * Each text by its name; `{name}` and the like stand where something is filled in. Where `n` is a number, `{n:one=token|other=tokens}`
 * is the word that goes with it: by the names of Unicode's plural rules, of which a language has `other` and some.
 */
export type Texts = Record<TextKey, string>;

export const LANGUAGES: Record<string, Texts> = { ar, de, en, es, fr, hi, ja, pt, ru, zh };

const RIGHT_TO_LEFT = ["ar"];

/** Says texts in one language, and numbers as people write them there. */
export class Say {
  readonly lang: string;
  readonly dir: "ltr" | "rtl";
  #tag: string;
  #texts: Texts;

  /** `tag`: what the page says it is in, such as `pt-BR`; English where it is in none of the ten. */
  constructor(tag: string, own: Partial<Texts> = {}) {
    const lang = tag.toLowerCase().split("-")[0]!;
    this.lang = Object.hasOwn(LANGUAGES, lang) ? lang : "en";
    this.#tag = this.lang === lang && isTag(tag) ? tag : this.lang;
    this.dir = RIGHT_TO_LEFT.includes(this.lang) ? "rtl" : "ltr";
    this.#texts = { ...LANGUAGES[this.lang]!, ...own };
  }

  text(key: TextKey, values: Record<string, string | number> = {}): string {
    return this.#texts[key].replace(/\{(\w+)(?::(.*?))?\}/g, (whole, name, forms?: string) => {
      const value = values[name] ?? whole;
      if (typeof value === "string") return value;
      return forms === undefined ? this.number(value) : this.#form(value, forms);
    });
  }

  bytes(count: number): string {
    const [unit, value, digits] =
      count < 1e6
        ? ["kilobyte", count / 1e3, 0]
        : count < 1e9
          ? ["megabyte", count / 1e6, count < 1e7 ? 1 : 0]
          : ["gigabyte", count / 1e9, 2];
    return this.#unit(unit as string, value as number, digits as number);
  }

  seconds(count: number): string {
    return count < 90 ? this.#unit("second", Math.ceil(count), 0) : this.#unit("minute", Math.ceil(count / 60), 0);
  }

  /** From milliseconds. */
  time(ms: number): string {
    return ms < 950
      ? this.#unit("millisecond", Math.max(10, Math.round(ms / 10) * 10), 0)
      : this.#unit("second", ms / 1000, ms < 9950 ? 1 : 0);
  }

  /** One below ten is told more closely, unless it is whole. */
  number(value: number): string {
    return new Intl.NumberFormat(this.#tag, rounded(value)).format(value);
  }

  /** The form of a word that goes with a number as it is told. */
  #form(value: number, forms: string): string {
    const form = Object.fromEntries(forms.split("|").map((form) => form.split("="))) as Record<string, string>;
    return form[new Intl.PluralRules(this.#tag, rounded(value)).select(value)] ?? form.other!;
  }

  #unit(unit: string, value: number, maximumFractionDigits: number): string {
    return new Intl.NumberFormat(this.#tag, {
      style: "unit",
      unit,
      unitDisplay: "short",
      maximumFractionDigits,
    }).format(value);
  }
}

const rounded = (value: number) => ({ maximumFractionDigits: value < 10 ? 1 : 0 });

function isTag(tag: string): boolean {
  try {
    return Intl.getCanonicalLocales(tag).length === 1;
  } catch {
    return false;
  }
}
