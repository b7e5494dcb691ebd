/**
 * The types of options, results and events, and the codes of errors.
 *
 * Generated from the Rust code by `npm run wire`: change it there (crate/wire, crate/base/error.rs).
 */

export * from "./generated/requests.js";
export * from "./generated/answers.js";
export * from "./generated/options.js";
export * from "./generated/stats.js";
export * from "./generated/results.js";
export * from "./generated/errors.js";
