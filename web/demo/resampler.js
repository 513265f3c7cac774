// Any rate -> 16 kHz, as a stream: a windowed sinc (Smith, Digital Audio Resampling Home Page). Only for browsers that give
// the microphone's own rate and no other (Firefox); the others resample themselves.

const ZERO_CROSSINGS = 24;
const TABLE_STEPS = 512; // between two zero crossings, linear in between
const KAISER_BETA = 9;
const PASSBAND = 0.94; // of half the lower rate

export class Resampler {
  constructor(rateInHz, rateOutHz) {
    this.step = rateInHz / rateOutHz;
    const cutoff = PASSBAND * Math.min(1, 1 / this.step); // of the input's half rate
    this.cutoff = cutoff;
    this.half = Math.ceil(ZERO_CROSSINGS / cutoff); // input samples on either side
    this.table = Float64Array.from({ length: ZERO_CROSSINGS * TABLE_STEPS + 2 }, (_, n) => {
      const x = n / TABLE_STEPS;
      const edge = Math.max(0, 1 - (x / ZERO_CROSSINGS) ** 2);
      const sinc = x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
      return (cutoff * sinc * bessel(KAISER_BETA * Math.sqrt(edge))) / bessel(KAISER_BETA);
    });
    this.held = new Float32Array(this.half); // silence before the first sample
    this.position = this.half; // of the next output, in `held`
  }

  /** Returns the 16 kHz samples that `samples` (in [-1, 1], any number) complete. */
  push(samples) {
    const input = new Float32Array(this.held.length + samples.length);
    input.set(this.held);
    input.set(samples, this.held.length);
    const output = [];
    for (; this.position + this.half < input.length; this.position += this.step) output.push(this.#at(input));
    const consumed = Math.floor(this.position) - this.half;
    this.held = input.slice(consumed);
    this.position -= consumed;
    return Float32Array.from(output);
  }

  #at(input) {
    const centre = Math.floor(this.position);
    let sum = 0;
    for (let n = centre - this.half + 1; n <= centre + this.half; n++) {
      const place = Math.abs(this.position - n) * this.cutoff * TABLE_STEPS;
      const index = Math.floor(place);
      if (index > ZERO_CROSSINGS * TABLE_STEPS) continue;
      sum += input[n] * (this.table[index] + (place - index) * (this.table[index + 1] - this.table[index]));
    }
    return sum;
  }
}

/** Returns the modified Bessel function of the first kind of order 0. */
function bessel(x) {
  let [sum, term] = [1, 1];
  for (let n = 1; term > sum * 1e-12; n++) sum += term *= (x / 2 / n) ** 2;
  return sum;
}
