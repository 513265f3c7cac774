// The gate as a state machine: pipeline/gate.py in JavaScript, transition by transition.
//
//   closed --score >= open threshold--> open --quiet, or no score, long enough--> refractory --time--> closed
//
// All times are sample indices of the 16 kHz stream.

/** Times in samples, as the daemon's defaults are. */
export const TIMES = {
  minOpenSamples: 8_000,
  hangoverSamples: 11_200,
  holdSamples: 48_000,
  refractorySamples: 4_800,
  maxLengthSamples: 240_000,
  lookbackSamples: 7_680,
};
const CLOSE_SHARE = 0.6; // of the gate's threshold: where it closes

/** Returns the daemon's configuration for the thresholds of an artifact; `thresholds[0]` is the gate's. */
export const gateConfig = (thresholds) => ({
  openThreshold: thresholds[0],
  closeThreshold: thresholds[0] * CLOSE_SHARE,
  intentThresholds: thresholds.slice(1),
  smoothingSteps: 1,
  ...TIMES,
});

/** Returns the closed gate before the first step. */
export const initialState = () => ({ recent: [], openedAt: null, refractoryUntil: 0, lastConfident: 0, lastActive: 0, peaks: null, told: new Set() });

/**
 * Returns [next state, transitions in order], each { kind: "opened" | "told" | "closed", ... }.
 * scores: [heads] in [0, 1]; active: whether there is sound over the room's floor. Throws when a score is not finite.
 */
export function step(config, state, scores, { active, atSample }) {
  if (!scores.every(Number.isFinite)) {
    throw new Error(`scores at sample ${atSample}: got ${Array.from(scores)}, expected finite numbers: the model is broken`);
  }
  const recent = [...state.recent, { atSample, scores }];
  // Over the whole number of steps, also when there were fewer yet: one step alone must not open a smoothed gate.
  const smoothed = recent.slice(-config.smoothingSteps).reduce((sum, past) => sum + past.scores[0], 0) / config.smoothingSteps;
  let lookback = recent.filter((past) => past.atSample > atSample - config.lookbackSamples);
  if (!lookback.length) lookback = recent.slice(-1);
  const next = { ...state, recent: recent.slice(-Math.max(lookback.length, config.smoothingSteps)) };
  if (next.openedAt !== null) return stepOpen(config, next, scores, smoothed, active, atSample);
  if (atSample < next.refractoryUntil || smoothed < config.openThreshold) return [next, []];
  const peaks = lookback.map((past) => past.scores).reduce(highest);
  const opened = { ...next, openedAt: atSample, lastConfident: atSample, lastActive: atSample, peaks, told: new Set() };
  const [told, transitions] = early(config, opened, peaks);
  return [{ ...opened, told }, [{ kind: "opened", score: smoothed, scores }, ...transitions]];
}

/** Returns [the closed gate, the final transitions], or nothing when no utterance is open. */
export function close(config, state, reason, atSample) {
  if (state.openedAt === null) return [state, []];
  const { peaks, openedAt } = state;
  const heads = config.intentThresholds.flatMap((threshold, index) => (peaks[index + 1] >= threshold ? [index + 1] : []));
  const transitions = heads.map((head) => ({ kind: "told", head, score: peaks[head], final: true }));
  transitions.push({ kind: "closed", reason, openedAt, intents: heads, peaks });
  // What was scored during this utterance must not count for the next one.
  return [{ ...initialState(), refractoryUntil: atSample + config.refractorySamples }, transitions];
}

function stepOpen(config, state, scores, smoothed, active, atSample) {
  const confident = smoothed >= config.closeThreshold;
  const next = {
    ...state,
    peaks: highest(state.peaks, scores),
    lastConfident: confident ? atSample : state.lastConfident,
    lastActive: active ? atSample : state.lastActive,
  };
  const [told, transitions] = early(config, next, scores);
  next.told = told;
  const reason = reasonToClose(config, next, atSample);
  if (reason === null) return [next, transitions];
  const [closed, closing] = close(config, next, reason, atSample);
  return [closed, [...transitions, ...closing]];
}

function early(config, state, scores) {
  const fresh = config.intentThresholds.flatMap((threshold, index) =>
    !state.told.has(index + 1) && scores[index + 1] >= threshold ? [index + 1] : []);
  return [new Set([...state.told, ...fresh]), fresh.map((head) => ({ kind: "told", head, score: scores[head], final: false }))];
}

function reasonToClose(config, state, atSample) {
  const openFor = atSample - state.openedAt;
  if (openFor >= config.maxLengthSamples) return "max_length";
  if (openFor < config.minOpenSamples) return null;
  if (atSample - Math.max(state.lastConfident, state.lastActive) >= config.hangoverSamples) return "silence";
  if (atSample - state.lastConfident >= config.holdSamples) return "hold";
  return null;
}

const highest = (left, right) => left.map((value, index) => Math.max(value, right[index]));
