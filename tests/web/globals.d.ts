/** Flags of WebGPU, which TypeScript's library leaves out. */
type Flags<Name extends string> = { readonly [name in Name]: number };

declare const GPUBufferUsage: Flags<"MAP_READ" | "COPY_SRC" | "COPY_DST" | "STORAGE" | "UNIFORM">;
declare const GPUMapMode: Flags<"READ" | "WRITE">;
declare const GPUShaderStage: Flags<"COMPUTE">;
