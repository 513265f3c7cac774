// Builds the demo into dist/: node build.mjs. All of it is static and may lie below any path of any host.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const [demo, dist, models, clips] = ["demo", "dist", "../models", "../daemon/demo"].map((folder) => join(here, folder));
const ort = join(here, "node_modules/onnxruntime-web/dist");
/** name on the page -> artifact: half precision where there is one, it is a third smaller and as good (docs/exports.md) */
const ARTIFACTS = { "inherent-audio": "inherent-audio-float16", inherent: "inherent", "inherent-windowed": "inherent-windowed" };
const WASM = ["ort-wasm-simd-threaded.wasm", "ort-wasm-simd-threaded.jspi.wasm"]; // the latter with WebGPU

rmSync(dist, { recursive: true, force: true });
for (const folder of ["models", "ort", "clips"]) mkdirSync(join(dist, folder), { recursive: true });
for (const [name, artifact] of Object.entries(ARTIFACTS)) {
  for (const suffix of [".onnx", ".metadata.json"]) cpSync(join(models, artifact + suffix), join(dist, "models", name + suffix));
}
for (const file of WASM) cpSync(join(ort, file), join(dist, "ort", file));
for (const file of ["index.html", "style.css", "icon.svg", "manifest.webmanifest"]) cpSync(join(demo, file), join(dist, file));
cpSync(join(clips, "clips"), join(dist, "clips"), { recursive: true });
const lines = readFileSync(join(clips, "clips.jsonl"), "utf8").trim().split("\n").map(JSON.parse);
writeFileSync(join(dist, "clips/clips.json"), JSON.stringify(lines.map(({ path, text, heads, addressed }) => ({ file: path, text, heads, addressed }))));

const common = { outdir: dist, bundle: true, minify: true, format: "esm", target: "es2022", logLevel: "warning" };
await build({
  ...common,
  entryPoints: ["main.js", "worker.js", "capture-worklet.js"].map((file) => join(demo, file)),
  splitting: true, // the runtime with WebGPU is fetched only where there is one
  chunkNames: "chunks/[name]-[hash]",
  // The runtime brings the address of its .wasm along; ours is set in processor.js.
  external: ["*.wasm", "node:*", "module", "worker_threads"],
});

const files = readdirSync(dist, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(dist.length + 1).replaceAll("\\", "/"))
  .sort();
const hash = createHash("sha256");
for (const file of files) hash.update(file).update(readFileSync(join(dist, file)));
const needed = (file) => (!file.includes("/") && file !== "index.html") || file.startsWith("chunks/chunk-") || file === "clips/clips.json";
const shell = ["./", ...files.filter(needed)];
await build({
  ...common,
  entryPoints: [join(demo, "service-worker.js")],
  define: { BUILD: JSON.stringify(hash.digest("hex").slice(0, 16)), SHELL: JSON.stringify(shell) },
});
