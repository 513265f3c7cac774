// node drive/sizes.mjs FILE…: bytes of files of dist/, as they are, by gzip and by Brotli, as hosts send them. One JSON object a line.
import { readFileSync } from "node:fs";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

for (const file of process.argv.slice(2)) {
  const content = readFileSync(new URL(`../dist/${file}`, import.meta.url));
  const options = { params: { [constants.BROTLI_PARAM_QUALITY]: 6 } }; // what hosts use for what they compress as it is asked for
  console.log(JSON.stringify({ file, raw: content.length, gzip: gzipSync(content).length, brotli: brotliCompressSync(content, options).length }));
}
