export default { base: "./", build: { target: "es2022", rollupOptions: { input: "panel.html" } } };
