export default {
  // Static files: no server is needed but one that sends them.
  output: "export",
  // So that nothing is looked for above this folder.
  turbopack: { root: import.meta.dirname },
};
