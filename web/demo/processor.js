// What the model runs on: WebAssembly, or WebGPU where there is one that computes the same and is faster.
import { openModel, stepMilliseconds } from "./runtime.js";

const PATIENCE_MS = 30_000; // for shaders to be compiled

/**
 * Resolves to { model, words, milliseconds }: the model on the processor that was asked for ("auto", "wasm" or "webgpu"), the words
 * that say what it runs on and why, and how long a step takes.
 */
export async function openOn(asked, bytes, metadata) {
  if (asked === "wasm") return withWasm(bytes, metadata, "as chosen");
  const refusal = await refusalOfWebgpu(asked);
  if (refusal) return withWasm(bytes, metadata, refusal);
  try {
    const opening = withWebgpu(asked, bytes, metadata);
    return await (asked === "webgpu" ? opening : inTime(opening));
  } catch (error) {
    return withWasm(bytes, metadata, `WebGPU failed (${error.message})`);
  }
}

/** Resolves to why WebGPU cannot be used here, or to "". One that the processor imitates is taken only when asked for. */
async function refusalOfWebgpu(asked) {
  if (!navigator.gpu) return "this browser has no WebGPU";
  if (!("Suspending" in WebAssembly)) return "WebGPU needs a browser with WebAssembly JSPI here";
  const adapter = await navigator.gpu.requestAdapter().catch(() => null);
  if (!adapter) return "WebGPU finds no graphics card";
  return adapter.info?.isFallbackAdapter && asked !== "webgpu" ? "WebGPU has no graphics card here, the processor imitates one" : "";
}

const inTime = (opening) => Promise.race([
  opening,
  new Promise((_, refuse) => setTimeout(() => refuse(new Error(`no answer within ${PATIENCE_MS / 1000} s`)), PATIENCE_MS)),
]);

async function withWasm(bytes, metadata, why) {
  const ort = await import("onnxruntime-web/wasm");
  configure(ort, "ort/ort-wasm-simd-threaded.wasm");
  const model = await openModel(ort, "wasm", bytes, metadata);
  const milliseconds = await stepMilliseconds(model);
  return { model, milliseconds, words: `WebAssembly: ${why}` };
}

/** One build holds both processors: where none was asked for, the faster one is taken, as the daemon does. */
async function withWebgpu(asked, bytes, metadata) {
  const ort = await import("onnxruntime-web/jspi");
  configure(ort, "ort/ort-wasm-simd-threaded.jspi.wasm");
  const graphics = await openModel(ort, "webgpu", bytes, metadata);
  const graphicsMs = await stepMilliseconds(graphics);
  if (asked === "webgpu") return { model: graphics, milliseconds: graphicsMs, words: "WebGPU: as chosen" };
  const processor = await openModel(ort, "wasm", bytes, metadata);
  const processorMs = await stepMilliseconds(processor);
  const told = `WebGPU takes ${graphicsMs.toFixed(1)} ms a step, WebAssembly ${processorMs.toFixed(1)} ms`;
  if (graphicsMs < processorMs) {
    await processor.release();
    return { model: graphics, milliseconds: graphicsMs, words: `WebGPU: ${told}` };
  }
  await graphics.release();
  return { model: processor, milliseconds: processorMs, words: `WebAssembly: ${told}` };
}

function configure(ort, file) {
  ort.env.wasm.numThreads = 1; // more would need headers that a static host rarely sends, and gain nothing on so small a model
  ort.env.wasm.wasmPaths = { wasm: new URL(file, self.location.href).href };
}
