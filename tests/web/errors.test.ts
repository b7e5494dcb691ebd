import { expect, test } from "vitest";
import { OpenAIError } from "../../www/api/openai-error.js";
import { SottoError } from "../../www/wire/errors.js";
import type { ErrorCode } from "../../www/wire/generated.js";
import params from "../wire/params.json" with { type: "json" };

test("what the engine or the worker says keeps its code", () => {
  expect(SottoError.read({ name: "SottoError", code: "bad_shape", message: "No." })).toMatchObject({
    code: "bad_shape",
    message: "No.",
  });
  expect(SottoError.read({ code: "made_up", message: "Hm." })).toBeUndefined();
  for (const other of [undefined, null, 5, "no", {}, Object.create(null), revoked()])
    expect(SottoError.read(other)).toBeUndefined();
});

test("an error as JSON says what it is", () => {
  const error = new SottoError("bad_shape", "No.", { cause: new Error("why") });
  expect(JSON.parse(JSON.stringify({ error }))).toEqual({
    error: { name: "SottoError", code: "bad_shape", message: "No." },
  });
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
  const tools = ["clock", "map"].map((name) => ({ type: "function", function: { name } }));
  for (const { code = "bad_option", message, param } of params) {
    const { error } = new OpenAIError(new SottoError(code as ErrorCode, message), tools);
    expect(error.param, message).toBe(param);
    if (code === "bad_option")
      expect(error.code).toBe(message.includes("is not an option") ? "unknown_parameter" : "invalid_value");
  }
});

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
