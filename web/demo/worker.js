// The worker: holds the model and the engine, hears samples, tells scores and events. Nothing of it leaves the page.
import { Engine } from "./engine.js";
import { toInt16, wav } from "./pcm.js";
import { openOn } from "./processor.js";
import { Resampler } from "./resampler.js";
import { thresholdsOf } from "./runtime.js";

const RECORDED_SECONDS = 600; // of the last microphone run or file, kept in memory to be saved
const BLOCK_SAMPLES = 1_280;
const LATE_SECONDS = 1;

let model = null;
let run = null; // { engine, recorded, stopped }: what is heard now, or was heard last
let work = Promise.resolve(); // one thing after the other

self.onmessage = ({ data }) => {
  if (data.type === "stop") {
    if (run) run.stopped = true;
    run?.port?.close();
  }
  work = work.then(() => requests[data.type](data)).catch((error) => postMessage({ type: "error", message: error.message }));
};

const requests = {
  /** Opens a model: { file, processor }. */
  async open({ file, processor }) {
    await model?.release();
    model = null;
    const [bytes, metadata] = await Promise.all([
      fetched(file).then((response) => response.arrayBuffer()),
      fetched(file.replace(/\.onnx$/, ".metadata.json")).then((response) => response.json()),
    ]);
    const opened = await openOn(processor, bytes, metadata);
    model = opened.model;
    postMessage({
      type: "opened",
      words: opened.words,
      milliseconds: opened.milliseconds,
      stepMilliseconds: (model.stepFrames * metadata.frontend.hop_samples * 1000) / metadata.frontend.sample_rate_hz,
      version: metadata.version,
      form: metadata.form,
      heads: metadata.head_order,
      thresholds: thresholdsOf(metadata),
      closeThreshold: started().gateConfig.closeThreshold,
      fetched: performance.getEntriesByType("resource").map((entry) => entry.name),
    });
  },

  /** Listens to the samples that the worklet sends through a port: { port, rateHz }. */
  listen({ port, rateHz }) {
    const current = begin(port);
    const resampler = rateHz === current.engine.spec.sample_rate_hz ? null : new Resampler(rateHz, current.engine.spec.sample_rate_hz);
    let arrived = 0;
    port.onmessage = ({ data }) => {
      const samples = toInt16(resampler ? resampler.push(data) : data);
      arrived += samples.length;
      work = work.then(async () => {
        if (current.stopped) return;
        await hear(current, samples);
        const behind = (arrived - current.engine.written) / current.engine.spec.sample_rate_hz;
        if (behind > LATE_SECONDS) postMessage({ type: "late", seconds: behind });
      }).catch((error) => {
        current.stopped = true;
        postMessage({ type: "error", message: error.message });
      });
    };
  },

  /** Hears a whole file, as it sounds or as fast as it goes: { samples: float32 or int16 at 16 kHz, fast }. */
  async file({ samples, fast }) {
    const current = begin(null);
    const pcm = samples instanceof Int16Array ? samples : toInt16(samples);
    const begun = performance.now();
    for (let start = 0; start < pcm.length && !current.stopped; start += BLOCK_SAMPLES) {
      const dueMs = ((start + BLOCK_SAMPLES) * 1000) / current.engine.spec.sample_rate_hz - (performance.now() - begun);
      // Also at full speed the worker must be able to hear "stop".
      if (!fast || start % (100 * BLOCK_SAMPLES) === 0) await new Promise((wake) => setTimeout(wake, fast ? 0 : dueMs));
      await hear(current, pcm.subarray(start, start + BLOCK_SAMPLES));
    }
    await finish(current);
  },

  /** Ends what is heard from a microphone. */
  async stop() {
    if (run && !run.finished) await finish(run);
  },

  /** Sends what was heard as a WAV file. */
  recording() {
    postMessage({ type: "recording", file: wav(run ? run.recorded : [], model.metadata.frontend.sample_rate_hz) });
  },
};

function begin(port) {
  run = { engine: started(), recorded: [], recordedSamples: 0, milliseconds: 0, stopped: false, finished: false, port };
  return run;
}

function started() {
  return new Engine(model, thresholdsOf(model.metadata), (step) => postMessage({ type: "step", ...step }));
}

async function hear(current, samples) {
  const room = RECORDED_SECONDS * current.engine.spec.sample_rate_hz - current.recordedSamples;
  if (room > 0) current.recorded.push(samples.slice(0, room));
  current.recordedSamples += samples.length;
  await timed(current, () => current.engine.push(samples));
}

async function finish(current) {
  current.finished = true;
  const { engine } = current;
  await timed(current, () => engine.finish());
  postMessage({
    type: "finished",
    peaks: engine.peaks,
    seconds: engine.end / engine.spec.sample_rate_hz,
    steps: engine.steps,
    milliseconds: current.milliseconds,
  });
}

/** Tells the events of what the engine does, and adds up the time that it takes. */
async function timed(current, work) {
  const before = performance.now();
  const events = await work();
  current.milliseconds += performance.now() - before;
  events.forEach((event) => postMessage({ type: "event", event }));
}

async function fetched(file) {
  const response = await fetch(new URL(file, self.location.href));
  if (!response.ok) throw new Error(`${file}: the host answered ${response.status}; build the page again with make web`);
  return response;
}
