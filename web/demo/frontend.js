// 16 kHz samples -> log-mel frames: pipeline/frontend.py in JavaScript, by the numbers of the artifact's metadata.
// A frame depends on its own `window_samples` samples only.

/** Returns how many samples `frames` frames in a row cover, 1 or more of them. */
export const spanSamples = (spec, frames) => (frames - 1) * spec.hop_samples + spec.window_samples;

/** Returns how many whole frames `samples` samples hold. */
export const frameCount = (spec, samples) =>
  Math.max(0, Math.floor((samples - spec.window_samples) / spec.hop_samples) + 1);

/** Returns the periodic Hann window, as numpy rounds it. */
export const hann = (windowSamples) =>
  Float32Array.from({ length: windowSamples }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / windowSamples));

/**
 * Returns the triangular filters as [{ firstBin, weights }], one a mel bin; each has a peak of 1 on its centre.
 * Throws for an unknown mel scale and for a filter that would hold no bin.
 */
export function melFilters(spec) {
  if (spec.mel_scale !== "htk") throw new Error(`mel_scale ${spec.mel_scale} is unknown; this version knows htk`);
  const toMel = (hz) => 2595 * Math.log10(1 + hz / 700);
  const [low, high] = [toMel(spec.low_hz), toMel(spec.high_hz)];
  const edgesHz = Array.from({ length: spec.mel_bins + 2 }, (_, i) => {
    const mel = low + (i * (high - low)) / (spec.mel_bins + 1);
    return 700 * (10 ** (mel / 2595) - 1);
  });
  const hzPerBin = spec.sample_rate_hz / spec.fft_size;
  return Array.from({ length: spec.mel_bins }, (_, mel) => {
    const [left, centre, right] = edgesHz.slice(mel, mel + 3);
    const firstBin = Math.max(0, Math.ceil(left / hzPerBin));
    const lastBin = Math.min(spec.fft_size / 2, Math.floor(right / hzPerBin));
    const weights = [];
    for (let bin = firstBin; bin <= lastBin; bin++) {
      const hz = bin * hzPerBin;
      weights.push(Math.max(0, Math.min((hz - left) / (centre - left), (right - hz) / (right - centre))));
    }
    if (!weights.some((weight) => weight > 0)) {
      throw new Error(`mel filter ${mel} holds no FFT bin: use an fft_size over ${spec.fft_size}`);
    }
    return { firstBin, weights: Float32Array.from(weights) };
  });
}

/** Returns `logMel(samples)`: float32 [frames * mel_bins], row by row, of every whole frame of samples in [-1, 1]. */
export function frontend(spec) {
  const size = spec.fft_size;
  if (size & (size - 1)) throw new Error(`fft_size ${size}: expected a power of two`);
  const window = hann(spec.window_samples);
  const filters = melFilters(spec);
  const transform = fourier(size);
  const [real, imaginary, power] = [new Float64Array(size), new Float64Array(size), new Float64Array(size / 2 + 1)];
  return function logMel(samples) {
    const count = frameCount(spec, samples.length);
    const mel = new Float32Array(count * spec.mel_bins);
    for (let frame = 0; frame < count; frame++) {
      const start = frame * spec.hop_samples;
      real.fill(0);
      imaginary.fill(0);
      for (let n = 0; n < spec.window_samples; n++) real[n] = Math.fround(samples[start + n] * window[n]);
      transform(real, imaginary);
      for (let bin = 0; bin <= size / 2; bin++) power[bin] = real[bin] ** 2 + imaginary[bin] ** 2;
      filters.forEach(({ firstBin, weights }, index) => {
        let sum = 0;
        for (let n = 0; n < weights.length; n++) sum += weights[n] * power[firstBin + n];
        mel[frame * spec.mel_bins + index] = Math.log(Math.max(sum, spec.log_floor));
      });
    }
    return mel;
  };
}

/** Returns an in-place radix-2 Fourier transform of `size` complex numbers (Cooley and Tukey). */
function fourier(size) {
  const bits = Math.log2(size);
  const reversed = Uint32Array.from({ length: size }, (_, n) => {
    let other = 0;
    for (let bit = 0; bit < bits; bit++) other |= ((n >> bit) & 1) << (bits - 1 - bit);
    return other;
  });
  const cosines = Float64Array.from({ length: size / 2 }, (_, n) => Math.cos((2 * Math.PI * n) / size));
  const sines = Float64Array.from({ length: size / 2 }, (_, n) => -Math.sin((2 * Math.PI * n) / size));
  return (real, imaginary) => {
    for (let n = 0; n < size; n++) {
      const other = reversed[n];
      if (other > n) {
        [real[n], real[other]] = [real[other], real[n]];
        [imaginary[n], imaginary[other]] = [imaginary[other], imaginary[n]];
      }
    }
    for (let half = 1; half < size; half *= 2) {
      const stride = size / (2 * half);
      for (let start = 0; start < size; start += 2 * half) {
        for (let n = 0; n < half; n++) {
          const [even, odd] = [start + n, start + n + half];
          const [cosine, sine] = [cosines[n * stride], sines[n * stride]];
          const oddReal = real[odd] * cosine - imaginary[odd] * sine;
          const oddImaginary = real[odd] * sine + imaginary[odd] * cosine;
          real[odd] = real[even] - oddReal;
          imaginary[odd] = imaginary[even] - oddImaginary;
          real[even] += oddReal;
          imaginary[even] += oddImaginary;
        }
      }
    }
  };
}
