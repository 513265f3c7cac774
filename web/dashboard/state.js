// What is known of the daemon, kept up to date by frames.

const SCORE_MS = 61_000;
const MOST_EVENTS = 200;
const MOST_UTTERANCES = 100;

export const state = {
  connected: false,
  daemon: null,
  health: null,
  status: null,
  asking: "",
  heads: [],
  scores: [], // rows of [ms since 1970, level in dBFS, [score of each head]]
  events: [],
  utterances: [],
  open: null,
  lost: 0,
  runs: 0,
};

let offsetMs = null; // of the stream's clock to performance.now()

/** Now by the clock of what was heard: the browser's own may be another machine's. */
export function nowMs() {
  return offsetMs === null ? Date.now() : performance.now() + offsetMs;
}

export function apply(frame) {
  state.connected = true;
  if (frame.begin) Object.assign(state, { scores: [], heads: [], open: null });
  if (frame.heads && !frame.whole) Object.assign(state, { scores: [], heads: frame.heads });
  for (const name of ["daemon", "health", "status", "asking", "open", "lost", "runs"]) {
    if (name in frame) state[name] = frame[name];
  }
  if (frame.status && !("asking" in frame)) state.asking = "";
  if (frame.whole) {
    Object.assign(state, { heads: frame.heads, scores: frame.scores, events: frame.events, utterances: frame.utterances });
  } else {
    state.scores.push(...(frame.scores ?? []));
    state.events = [...state.events, ...(frame.events ?? [])].slice(-MOST_EVENTS);
    state.utterances = [...state.utterances, ...(frame.utterances ?? [])].slice(-MOST_UTTERANCES);
  }
  setClock(frame);
  const oldest = nowMs() - SCORE_MS;
  const first = state.scores.findIndex(([ms]) => ms > oldest);
  state.scores.splice(0, first < 0 ? state.scores.length : first);
}

function setClock(frame) {
  const newest = Math.max(frame.scores?.at(-1)?.[0] ?? 0, (frame.health?.time_ns ?? 0) / 1e6);
  if (!newest || state.daemon?.present === false) return;
  const found = newest - performance.now();
  // Frames come some ms early or late: follow slowly, unless the clock was set.
  const apart = offsetMs === null ? Infinity : found - offsetMs;
  offsetMs = Math.abs(apart) > 1000 ? found : offsetMs + apart / 20;
}

/** The thresholds that hold now, of the gate and by key; null before the daemon told them. */
export function thresholds() {
  const gate = state.status?.deciding?.gate;
  return gate ? { opens: gate.open_threshold, closes: gate.close_threshold, byKey: state.status.thresholds } : null;
}

/** Times in ms that the gate was open, from the events; `to` is null while it is. */
export function openSpans() {
  const spans = [];
  for (const event of state.events) {
    const ms = event.time_ns / 1e6;
    if (event.topic === "gate.opened") spans.push({ from: ms, to: null, stream: event.stream, utterance: event.utterance });
    if (event.topic === "gate.closed") {
      const span = spans.at(-1);
      if (span && span.to === null) span.to = ms;
    }
  }
  // One whose close was lost is over as well.
  for (const span of spans) if (span.to === null && state.open?.utterance !== span.utterance) span.to = span.from;
  return spans;
}
