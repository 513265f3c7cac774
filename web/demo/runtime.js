// A model file and its metadata in ONNX Runtime Web: one step at a time, in any of the three forms.
import { frameCount, frontend, spanSamples } from "./frontend.js";

const WINDOW_FRAMES = 50; // of the windowed form: 1 s, as pipeline/runtimes/window.py
const HOP_FRAMES = 10;
const MEASURED_STEPS = 30;
const MEASURED_MS = 2_000; // at most

/** Returns the key of a head's threshold: "hasPhotoQuery" -> "has_photo_query". */
export const thresholdKey = (head) => head.replace(/(?<=[a-z0-9])(?=[A-Z])/g, "_").toLowerCase();

/** Returns the artifact's threshold of each head. */
export const thresholdsOf = (metadata) => metadata.head_order.map((head) => metadata.default_thresholds[thresholdKey(head)]);

/**
 * Resolves to a model { metadata, stepFrames, spanSamples, initialState(), step(samples, state), release() } that has
 * scored its golden. `step` resolves to [scores, next state] for the `spanSamples` samples of a step.
 * ort: the runtime's module; provider: "wasm" or "webgpu"; bytes: of the file. Throws when it does not compute what was trained.
 */
export async function openModel(ort, provider, bytes, metadata) {
  if (metadata.unsupported) throw new Error(`the model does not score as it was trained: ${metadata.unsupported}`);
  const session = await ort.InferenceSession.create(bytes, {
    executionProviders: [provider],
    // The state stays where it is computed: only the scores come back from a graphics card.
    ...(provider === "webgpu" && { preferredOutputLocation: stateLocations(metadata, "gpu-buffer") }),
  });
  const model = (metadata.form === "windowed" ? windowed : stepwise)(ort, session, metadata);
  model.metadata = metadata;
  model.release = () => session.release();
  const difference = await goldenDifference(model);
  if (!(difference <= metadata.golden.tolerance)) {
    await session.release();
    throw new Error(`scores its golden ${difference.toPrecision(2)} off, expected at most ${metadata.golden.tolerance}`);
  }
  return model;
}

/** Resolves to the milliseconds that a step of noise takes, the median of some. */
export async function stepMilliseconds(model) {
  const samples = Float32Array.from({ length: model.spanSamples }, () => (Math.random() - 0.5) / 10);
  const taken = [];
  const begun = performance.now();
  for (let state = model.initialState(); taken.length < MEASURED_STEPS && performance.now() - begun < MEASURED_MS;) {
    const before = performance.now();
    [, state] = await model.step(samples, state);
    taken.push(performance.now() - before);
  }
  return taken.sort((left, right) => left - right)[Math.floor(taken.length / 2)];
}

/** The streaming and the audio form: named states go in and come out. */
function stepwise(ort, session, metadata) {
  const contract = metadata.runtime_tensor_contract;
  const takesSamples = metadata.form === "audio";
  const given = contract[takesSamples ? "samples_chunk" : "mel_chunk"];
  const spec = metadata.frontend;
  const logMel = takesSamples ? null : frontend(spec);
  const stepFrames = takesSamples ? frameCount(spec, given.shape[1]) : given.shape[1];
  const names = metadata.states.map(({ name }) => [contract[`state.${name}`].name, contract[`next_state.${name}`].name]);

  async function run(input, state) {
    const found = await session.run({ [given.name]: new ort.Tensor("float32", input, given.shape), ...state });
    for (const tensor of Object.values(state)) if (tensor.location === "gpu-buffer") tensor.dispose();
    const next = Object.fromEntries(names.map(([name, following]) => [name, found[following]]));
    return [Float32Array.from(found[contract.intent_output.name].data), next];
  }
  return {
    stepFrames,
    spanSamples: spanSamples(spec, stepFrames),
    initialState: () => Object.fromEntries(metadata.states.map(({ shape, initial_value: value }, index) => {
      const size = shape.reduce((product, length) => product * length, 1);
      return [names[index][0], new ort.Tensor("float32", new Float32Array(size).fill(value), shape)];
    })),
    step: (samples, state) => run(takesSamples ? samples : logMel(samples), state),
    stepFromInput: run,
    inputSize: given.shape.reduce((product, length) => product * length, 1),
    inputAdvance: takesSamples ? stepFrames * spec.hop_samples : stepFrames * spec.mel_bins,
  };
}

/** The windowed form: the last second is scored again and again; a stream begins with a window of silence. */
function windowed(ort, session, metadata) {
  const { mel_spectrogram: mel, intent_output: output } = metadata.runtime_tensor_contract;
  const spec = metadata.frontend;
  const logMel = frontend(spec);
  async function score(window) {
    const shape = [1, window.length / spec.mel_bins, spec.mel_bins];
    const found = await session.run({ [mel.name]: new ort.Tensor("float32", window, shape) });
    return Float32Array.from(found[output.name].data);
  }
  return {
    stepFrames: HOP_FRAMES,
    spanSamples: spanSamples(spec, HOP_FRAMES),
    initialState: () => new Float32Array(WINDOW_FRAMES * spec.mel_bins).fill(Math.log(spec.log_floor)),
    async step(samples, state) {
      const window = new Float32Array(state.length);
      window.set(state.subarray(HOP_FRAMES * spec.mel_bins));
      window.set(logMel(samples), window.length - HOP_FRAMES * spec.mel_bins);
      return [await score(window), window];
    },
    score,
  };
}

/** Resolves to how far the model scores the golden of its metadata. */
async function goldenDifference(model) {
  const { samples, mel, scores } = model.metadata.golden;
  const given = Float32Array.from(samples ? samples.map((sample) => sample / 32768) : mel.flat());
  let peaks = new Float32Array(scores.length);
  if (model.score) {
    peaks = await model.score(given);
  } else {
    for (let start = 0, state = model.initialState(); start + model.inputSize <= given.length; start += model.inputAdvance) {
      let found;
      [found, state] = await model.stepFromInput(given.slice(start, start + model.inputSize), state);
      peaks = peaks.map((peak, head) => Math.max(peak, found[head]));
    }
  }
  return Math.max(...peaks.map((peak, head) => Math.abs(peak - scores[head])));
}

const stateLocations = (metadata, location) => Object.fromEntries(
  metadata.states.map(({ name }) => [metadata.runtime_tensor_contract[`next_state.${name}`].name, location]));
