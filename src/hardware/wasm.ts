/** Answers: the part of WebAssembly used here; TypeScript declares it for browsers only. */

export interface WasmMemory {
  readonly buffer: SharedArrayBuffer;
}

/** Compiled code; it can be posted to a worker thread. */
export type WasmModule = object;

interface WasmApi {
  readonly Memory: new (limits: {
    readonly initial: number;
    readonly maximum: number;
    readonly shared: true;
  }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => WasmModule;
  readonly Instance: new (
    module: WasmModule,
    imports: Readonly<Record<string, Readonly<Record<string, WasmMemory>>>>,
  ) => { readonly exports: object };
}

/** Every Node has it; its declaration is in TypeScript's `dom` library, which is not ours. */
export const wasm: WasmApi = (globalThis as unknown as { readonly WebAssembly: WasmApi })
  .WebAssembly;
