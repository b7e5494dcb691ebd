import { expect, test } from "vitest";
import { OpenAIError } from "../../www/api/openai-error.js";
import { SottoError } from "../../www/wire/errors.js";

test("what the engine or the worker says keeps its code", () => {
  expect(SottoError.read({ name: "SottoError", code: "bad_shape", message: "No." })).toMatchObject({
    code: "bad_shape",
    message: "No.",
  });
  expect(SottoError.read({ code: "made_up", message: "Hm." })).toBeUndefined();
  for (const other of [undefined, null, 5, "no", {}, Object.create(null), revoked()])
    expect(SottoError.read(other)).toBeUndefined();
});

test("whatever else is thrown becomes a SottoError: a sentence, and what was thrown as its cause", () => {
  const said: [unknown, string][] = [
    [new TypeError("x is not a function"), "Reading failed (x is not a function)."],
    [new Error("It ends with a stop."), "Reading failed (It ends with a stop)."],
    ["boom", "Reading failed (boom)."],
    [undefined, "Reading failed (undefined)."],
    [Symbol("s"), "Reading failed (Symbol(s))."],
    [{ code: "disposed", message: "not ours" }, "Reading failed (not ours)."],
    [Object.create(null), "Reading failed (a value that cannot be shown)."],
    [revoked(), "Reading failed (a value that cannot be shown)."],
    ["x".repeat(5000), `Reading failed (${"x".repeat(200)}…).`],
  ];
  for (const [thrown, message] of said) {
    const error = SottoError.from(thrown, "io", "Reading failed");
    expect(error).toMatchObject({ code: "io", message });
    expect(error.cause === thrown).toBe(true);
  }
  const error = new SottoError("http", "No.");
  expect(SottoError.from(error)).toBe(error);
  expect(error).toBeInstanceOf(Error);
  expect([SottoError.name, OpenAIError.name, error.name]).toEqual(["SottoError", "OpenAIError", "SottoError"]);
});

test("an error in OpenAI's shape names the member that it is about", () => {
  const about: [string, string | null][] = [
    ["top_p is 5; give a number from 0 to 1.", "top_p"],
    ["max_token is not an option of chat.completions.create; did you mean max_tokens?", "max_token"],
    ["usage is not an option of stream_options.", "stream_options.usage"],
    // cspell:ignore nmae
    ["nmae is not an option of tools[0].function; did you mean name?", "tools[0].function.nmae"],
    ['tools[0] has no type; give "function".', "tools"],
    ["Messages should be a list of at least one {role, content}.", "messages"],
    ["Message 0 has no role.", "messages"],
    ['The schema\'s keyword "not" at /not is not enforced.', "response_format"],
    ['In the parameters of the tool "map": the schema has nothing.', "tools"],
    ["A logit bias names token 5, but the vocabulary has 3 tokens.", "logit_bias"],
    ["The prompt is empty.", null],
  ];
  for (const [message, param] of about) {
    const { error, code } = new OpenAIError(new SottoError("bad_option", message));
    expect(error.param, message).toBe(param);
    expect(code).toBe(message.includes("is not an option") ? "unknown_parameter" : "invalid_value");
  }
  expect(new OpenAIError(new SottoError("prompt_too_long", "The prompt has 5 tokens.")).param).toBe("messages");
  expect(new OpenAIError(new SottoError("disposed", "Gone.")).param).toBeNull();
});

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
