import { expect, test } from "vitest";
import { fileName } from "../../www/chat/format.js";

test("the name of the file at an address, whatever the address is", () => {
  expect(fileName("https://x.org/a/My%20model.gguf?download=true#x")).toBe("My model.gguf");
  expect(fileName("https://x.org/50%.gguf")).toBe("50%.gguf");
  expect(fileName("https://x.org/%E0%A4%A.gguf")).toBe("%E0%A4%A.gguf");
  expect(fileName("https://x.org/")).toBe("https://x.org/");
});
