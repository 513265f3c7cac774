// Samples in, events out: pipeline/engine.py in JavaScript, one stream. Everything is decided on a fixed grid of steps, so
// any split of the same samples gives the same events.
import * as activity from "./activity.js";
import * as gate from "./gate.js";

const SLEEP_BELOW_DBFS = -65; // frontend and model rest while every hop is quieter than this, or does not stand out from the room
const SLEEP_AFTER_SAMPLES = 32_000;
const WAKE_LOOKBACK_SAMPLES = 32_000; // on waking, the model starts so long before the first loud hop
const FLUSH_SAMPLES = 7_680; // silence that the model hears after the end of a stream, to decide on its last word

export class Engine {
  /**
   * model: { metadata, stepFrames, spanSamples, initialState(), step(samples, state) -> [scores, state] } (runtime.js);
   * onStep: called with { atSample, scores, levelDbfs, asleep } after every step; scores are null while it sleeps.
   */
  constructor(model, thresholds, onStep = () => {}) {
    this.model = model;
    this.onStep = onStep;
    this.spec = model.metadata.frontend;
    this.heads = model.metadata.head_order;
    this.gateConfig = gate.gateConfig(thresholds);
    this.stepSamples = model.stepFrames * this.spec.hop_samples;
    this.peaks = new Float32Array(this.heads.length);
    this.asleep = false;
    this.utterance = 0;
    this.steps = 0; // that were scored
    this.written = 0; // samples that came
    this.end = null; // where the stream ended
    this.#state = model.initialState();
  }
  #held = new Int16Array(0); // the last samples; the first of them is sample #heldFrom
  #heldFrom = 0;
  #state;
  #floor = activity.initialState();
  #room = activity.initialState(activity.ROOM);
  #gate = gate.initialState();
  #nextStep = 0;
  #quietSamples = 0;
  #asleepFrom = 0;

  get isOpen() {
    return this.#gate.openedAt !== null;
  }

  /** Resolves to the events that the next samples (Int16Array, 16 kHz, any number) caused, in order. */
  async push(samples) {
    const keepFrom = Math.max(this.#heldFrom, this.#nextStep * this.stepSamples - WAKE_LOOKBACK_SAMPLES - this.stepSamples);
    const kept = this.#held.subarray(keepFrom - this.#heldFrom);
    this.#held = new Int16Array(kept.length + samples.length);
    this.#held.set(kept);
    this.#held.set(samples, kept.length);
    this.#heldFrom = keepFrom;
    this.written += samples.length;
    const events = [];
    while (this.written >= this.#nextStep * this.stepSamples + this.model.spanSamples) {
      await this.#step(this.#nextStep, events);
      this.#nextStep += 1;
    }
    return events;
  }

  /** Ends the stream: hears some silence after it, then closes what is open. Resolves to the events of that. */
  async finish() {
    this.end = this.written;
    const events = await this.push(new Int16Array(FLUSH_SAMPLES + this.model.spanSamples));
    let transitions;
    [this.#gate, transitions] = gate.close(this.gateConfig, this.#gate, "end_of_stream", this.end);
    this.#tell(transitions, this.end, events);
    return events;
  }

  async #step(index, events) {
    const [levelDbfs, voiceDbfs] = this.#levels(index);
    let active;
    [this.#floor, active] = activity.step(this.#floor, levelDbfs, this.#stepSeconds);
    if (this.#rest(index, levelDbfs, voiceDbfs)) {
      this.onStep({ atSample: this.#at(index), scores: null, levelDbfs, asleep: true });
      return;
    }
    if (this.asleep) await this.#wake(index, events);
    await this.#score(index, levelDbfs, active, events);
  }

  /** Returns whether this step can be slept through, and falls asleep when it has been quiet for long enough. */
  #rest(index, levelDbfs, voiceDbfs) {
    let standsOut;
    [this.#room, standsOut] = activity.step(this.#room, voiceDbfs, this.#stepSeconds, activity.ROOM);
    if (levelDbfs >= SLEEP_BELOW_DBFS && standsOut) {
      this.#quietSamples = 0;
      return false;
    }
    this.#quietSamples += this.stepSamples;
    if (!this.asleep && this.#quietSamples >= SLEEP_AFTER_SAMPLES && !this.isOpen) {
      this.asleep = true;
      this.#asleepFrom = index;
      this.#state = this.model.initialState(); // whoever wakes up starts afresh: the state cannot drift over days
    }
    return this.asleep;
  }

  /** Hears the steps before the loud one; those from before it fell asleep only give the model its context back.
   * What was slept through does not count as active. */
  async #wake(index, events) {
    this.asleep = false;
    const first = Math.max(0, index - Math.floor(WAKE_LOOKBACK_SAMPLES / this.stepSamples));
    for (let past = first; past < index; past++) {
      if (past >= this.#asleepFrom) await this.#score(past, this.#levels(past)[0], false, events);
      else [, this.#state] = await this.model.step(this.#heard(past), this.#state);
    }
  }

  async #score(index, levelDbfs, active, events) {
    let scores, transitions;
    [scores, this.#state] = await this.model.step(this.#heard(index), this.#state);
    const atSample = this.#at(index);
    [this.#gate, transitions] = gate.step(this.gateConfig, this.#gate, scores, { active, atSample });
    this.steps += 1;
    this.peaks = this.peaks.map((peak, head) => Math.max(peak, scores[head]));
    this.onStep({ atSample, scores, levelDbfs, asleep: false });
    this.#tell(transitions, atSample, events);
  }

  #at = (index) => Math.min(index * this.stepSamples + this.model.spanSamples, this.end ?? Infinity);

  #samples(index, length) {
    const start = index * this.stepSamples - this.#heldFrom;
    return this.#held.subarray(start, start + length);
  }

  get #stepSeconds() {
    return this.stepSamples / this.spec.sample_rate_hz;
  }

  #levels = (index) => activity.loudestHopDbfs(this.#samples(index, this.stepSamples), this.spec.hop_samples);

  #heard = (index) => Float32Array.from(this.#samples(index, this.model.spanSamples), (sample) => sample / 32768);

  #tell(transitions, atSample, events) {
    for (const transition of transitions) {
      if (transition.kind === "opened") {
        this.utterance += 1;
        events.push({ topic: "gate.opened", utterance: this.utterance, at_sample: atSample, score: transition.score });
      } else if (transition.kind === "told") {
        const { head, score, final } = transition;
        events.push({ topic: "intent", utterance: this.utterance, at_sample: atSample, head: this.heads[head], score, final });
      } else {
        events.push({
          topic: "gate.closed",
          utterance: this.utterance,
          at_sample: atSample,
          duration_ms: ((atSample - transition.openedAt) * 1000) / this.spec.sample_rate_hz,
          reason: transition.reason,
          intents: transition.intents.map((head) => this.heads[head]),
          peaks: Object.fromEntries(this.heads.map((head, index) => [head, transition.peaks[index]])),
        });
      }
    }
  }
}
