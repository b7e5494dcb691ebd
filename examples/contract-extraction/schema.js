// What is taken from a contract. Everything is bounded, so that the reply ends.
const text = (maxLength) => ({ type: "string", minLength: 1, maxLength });

const object = (properties) => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
});

const KINDS = ["services", "term", "payment", "confidentiality", "liability", "termination", "law", "other"];

export const schema = object({
  parties: { type: "array", minItems: 1, maxItems: 4, items: text(60) },
  clauses: {
    type: "array",
    minItems: 1,
    maxItems: 12,
    items: object({ number: { type: "integer", minimum: 1, maximum: 99 }, kind: { enum: KINDS }, summary: text(120) }),
  },
});
