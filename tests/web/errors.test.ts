import { expect, test } from "vitest";
import { SottoError } from "../../www/wire/errors.js";

test("whatever is thrown becomes a SottoError with a code and a sentence", () => {
  expect(SottoError.from({ name: "SottoError", code: "bad_shape", message: "No." })).toMatchObject({
    code: "bad_shape",
    message: "No.",
  });
  expect(SottoError.from(new TypeError("x is not a function"))).toMatchObject({
    code: "internal",
    message: "x is not a function",
  });
  expect(SottoError.from(undefined)).toMatchObject({ code: "internal", message: "undefined" });
  expect(SottoError.from({ code: "made_up", message: "Hm." }).code).toBe("internal");
  const error = new SottoError("http", "No.");
  expect(SottoError.from(error)).toBe(error);
  expect(error).toBeInstanceOf(Error);
});
