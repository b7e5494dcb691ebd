/**
 * The codes of errors; docs/ERRORS.md says what each means.
 *
 * Generated from the Rust code by `npm run wire`: change it there (crate/wire, crate/base/error.rs).
 */

export const ERROR_CODES = [
  "not_gguf",
  "unsupported_version",
  "truncated",
  "bad_header",
  "bad_metadata",
  "unsupported_architecture",
  "unsupported_tensor_type",
  "missing_tensor",
  "bad_shape",
  "unsupported_tokenizer",
  "no_template",
  "bad_template",
  "prompt_too_long",
  "bad_option",
  "no_webgpu",
  "adapter_too_small",
  "out_of_memory",
  "device_lost",
  "gpu",
  "bad_logits",
  "aborted",
  "disposed",
  "network",
  "http",
  "io",
  "internal",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];
