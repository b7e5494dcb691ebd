export default {
  test: { include: ["tests/web/**/*.test.ts"], pool: "threads" },
};
