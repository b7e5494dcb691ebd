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
  "missing_part",
  "bad_metadata",
  "not_a_model",
  "bad_adapter",
  "unsupported_architecture",
  "unsupported_tensor_type",
  "missing_tensor",
  "bad_shape",
  "unsupported_tokenizer",
  "no_template",
  "bad_template",
  "prompt_too_long",
  "bad_option",
  "other_vocabulary",
  "no_webgpu",
  "adapter_too_small",
  "out_of_memory",
  "device_lost",
  "gpu",
  "bad_logits",
  "wrong_results",
  "aborted",
  "disposed",
  "network",
  "http",
  "offline",
  "checksum",
  "not_stored",
  "storage",
  "stale_session",
  "damaged_session",
  "io",
  "not_started",
  "blocked",
  "service_worker",
  "tab_closed",
  "read_once",
  "not_shared",
  "internal",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** What OpenAI's API calls them; those that are not here have status 500 and type "server_error". */
export const OPENAI_ERRORS: Partial<Record<ErrorCode, { status: number; type: string; code: string }>> = {
  no_template: { status: 400, type: "invalid_request_error", code: "no_template" },
  bad_template: { status: 400, type: "invalid_request_error", code: "bad_template" },
  prompt_too_long: { status: 400, type: "invalid_request_error", code: "context_length_exceeded" },
  bad_option: { status: 400, type: "invalid_request_error", code: "invalid_value" },
  out_of_memory: { status: 503, type: "server_error", code: "out_of_memory" },
  device_lost: { status: 503, type: "server_error", code: "device_lost" },
  aborted: { status: 499, type: "aborted", code: "aborted" },
  disposed: { status: 503, type: "server_error", code: "disposed" },
};
