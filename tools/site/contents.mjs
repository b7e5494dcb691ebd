// What the site shows, in its order. A document that is on no list ends the build.

/** Groups of the sidebar: a document of `docs` by its name, and how the sidebar calls it. */
export const GROUPS = [
  ["Begin", { README: "What Sotto is", START: "Quick start", CHOOSING: "Choosing a model", EXAMPLES: "Examples" }],
  ["In a page", { ELEMENT: "The chat element", PIECES: "Frameworks and libraries", SERVING: "Bundlers and servers" }],
  [
    "Guides",
    {
      CHAT: "Chat",
      TOOLS: "Tools",
      STRUCTURED: "Structured output",
      REASONING: "Models that think",
      CONTEXT: "Long chats",
      TEMPLATES: "Chat templates",
      EMBEDDINGS: "Embeddings and search",
      ADAPTERS: "LoRA adapters",
      REPOSITORIES: "Repositories of safetensors",
      COMPRESS: "Smaller files of models",
      STORE: "Storage and offline",
      WORKERS: "Workers, threads and tabs",
      RECOVERY: "Lost devices",
      PRIVACY: "Privacy and policies",
      SECURITY: "Security",
      PERFORMANCE: "Performance",
      TROUBLESHOOTING: "When something fails",
    },
  ],
  [
    "Reference",
    { USAGE: "Calls and commands", OPTIONS: "Options", ERRORS: "Errors", MODELS: "Models", FORMS: "Forms of calls" },
  ],
  [
    "Change Sotto",
    { ARCHITECTURE: "Architecture", CONTRIBUTING: "Contributing", GLOSSARY: "Glossary", CHANGELOG: "What changed" },
  ],
];

/** Documents that lie beside `docs`. */
export const OUTSIDE = { README: "README.md", CHANGELOG: "CHANGELOG.md" };

/** Modules of the package: what people import, and its source. */
export const MODULES = {
  sotto: "www/api/index.ts",
  "sotto/element": "www/pieces/element/index.ts",
  "sotto/react": "www/pieces/react/index.ts",
  "sotto/vue": "www/pieces/vue/index.ts",
  "sotto/svelte": "www/pieces/svelte/index.ts",
  "sotto/ai-sdk": "www/pieces/ai-sdk/index.ts",
  "sotto/langchain": "www/pieces/langchain/index.ts",
  "sotto/openai": "www/pieces/openai/index.ts",
  "sotto/prompt-api": "www/pieces/prompt-api/index.ts",
  "sotto/compress": "www/pieces/compress/index.ts",
  "sotto/search": "www/pieces/search/index.ts",
  "sotto/catalog": "www/catalog/index.ts",
  "sotto/service-worker": "www/service-worker/index.ts",
};

/** The examples, as the list of examples calls them. */
export const EXAMPLES = {
  widget: "A chat by one script tag",
  "react-chat": "React",
  "vue-chat": "Vue",
  "svelte-chat": "Svelte",
  "next-chat": "Next",
  "ai-sdk-tools": "AI SDK with tools",
  retrieval: "Search in files",
  "contract-extraction": "Data from a contract",
  "extension-side-panel": "An extension",
  "offline-pwa": "Without a network",
};
