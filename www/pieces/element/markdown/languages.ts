/**
 * The languages whose code is coloured, by the names that models write behind a fence. `sugar-high/lang` has two more than these,
 * which would take a fiftieth of the element.
 */
import type { ParseOptions } from "sugar-high/core";
import * as c from "sugar-high/lang/c";
import * as cpp from "sugar-high/lang/cpp";
import * as csharp from "sugar-high/lang/csharp";
import * as css from "sugar-high/lang/css";
import * as diff from "sugar-high/lang/diff";
import * as dockerfile from "sugar-high/lang/dockerfile";
import * as go from "sugar-high/lang/go";
import * as graphql from "sugar-high/lang/graphql";
import * as hcl from "sugar-high/lang/hcl";
import * as html from "sugar-high/lang/html";
import * as java from "sugar-high/lang/java";
import * as javascript from "sugar-high/lang/javascript";
import * as json from "sugar-high/lang/json";
import * as kotlin from "sugar-high/lang/kotlin";
import * as lua from "sugar-high/lang/lua";
import * as php from "sugar-high/lang/php";
import * as powershell from "sugar-high/lang/powershell";
import * as python from "sugar-high/lang/python";
import * as ruby from "sugar-high/lang/ruby";
import * as rust from "sugar-high/lang/rust";
import * as shell from "sugar-high/lang/shell";
import * as sql from "sugar-high/lang/sql";
import * as swift from "sugar-high/lang/swift";
import * as toml from "sugar-high/lang/toml";
import * as typescript from "sugar-high/lang/typescript";
import * as yaml from "sugar-high/lang/yaml";

/** What is JavaScript alone: tags and expressions in code, and texts with code in them. */
const PLAIN: ParseOptions = { jsx: false, regex: false, templateStrings: false };

/** Names, with blanks between them, and how the language is read. */
const LANGUAGES: readonly [names: string, config: ParseOptions][] = [
  ["javascript js jsx node", javascript as ParseOptions],
  ["typescript ts tsx", typescript as ParseOptions],
  ["html htm xml", html as ParseOptions],
  ...(
    [
      ["c", c],
      ["cpp c++ cc cxx", cpp],
      ["csharp c# cs dotnet", csharp],
      ["css scss", css],
      ["diff patch", diff],
      ["dockerfile docker", dockerfile],
      ["go golang", go],
      ["graphql gql", graphql],
      ["hcl terraform tf", hcl],
      ["java", java],
      ["json jsonc", json],
      ["kotlin kt kts", kotlin],
      ["lua", lua],
      ["php", php],
      ["powershell ps1 pwsh", powershell],
      ["python py python3", python],
      ["ruby rb", ruby],
      ["rust rs", rust],
      ["shell sh bash zsh", shell],
      ["sql", sql],
      ["swift", swift],
      ["toml", toml],
      ["yaml yml", yaml],
    ] as [string, ParseOptions][]
  ).map(([names, config]): [string, ParseOptions] => [names, { ...config, ...PLAIN }]),
];

/** How code of that name is read. */
export function languageOf(name: string): ParseOptions | undefined {
  return LANGUAGES.find(([names]) => names.split(" ").includes(name.toLowerCase()))?.[1];
}
