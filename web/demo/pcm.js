// Samples as the daemon takes them: int16 at 16 kHz, rounded as pipeline/resampling.py rounds.

/** Returns samples in [-1, 1] as int16, half to even; beyond full scale clips, what is not finite becomes 0. */
export function toInt16(samples) {
  return Int16Array.from(samples, (sample) => {
    const scaled = sample * 32768;
    const rounded = Math.round(scaled);
    const even = rounded - scaled === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
    return Math.min(32767, Math.max(-32768, even || 0));
  });
}

/** Returns the mean of the channels of an AudioBuffer. */
export function mono(buffer) {
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, channel) => buffer.getChannelData(channel));
  if (channels.length === 1) return channels[0];
  return channels[0].map((_, n) => channels.reduce((sum, channel) => sum + channel[n], 0) / channels.length);
}

/**
 * Returns the samples of a mono 16-bit WAV file of `rateHz` as they are, or null for any other: browsers decode, but Chromium divides
 * what is positive by 32767, which is up to one step off.
 */
export function exactSamples(bytes, rateHz) {
  const view = new DataView(bytes);
  const name = (at) => String.fromCharCode(...new Uint8Array(bytes, at, 4));
  if (bytes.byteLength < 44 || name(0) !== "RIFF" || name(8) !== "WAVE") return null;
  let plain = false;
  for (let at = 12; at + 8 <= bytes.byteLength;) {
    const length = Math.min(view.getUint32(at + 4, true), bytes.byteLength - at - 8);
    if (name(at) === "fmt ") {
      const [format, channels, bits] = [8, 10, 22].map((offset) => view.getUint16(at + offset, true));
      plain = format === 1 && channels === 1 && bits === 16 && view.getUint32(at + 12, true) === rateHz;
    } else if (name(at) === "data" && plain) {
      return Int16Array.from({ length: length >> 1 }, (_, n) => view.getInt16(at + 8 + 2 * n, true));
    }
    at += 8 + length + (length % 2);
  }
  return null;
}

/** Returns int16 pieces as a WAV file, mono. */
export function wav(pieces, rateHz) {
  const bytes = pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
  const header = new DataView(new ArrayBuffer(44));
  const text = (at, word) => [...word].forEach((letter, n) => header.setUint8(at + n, letter.charCodeAt(0)));
  text(0, "RIFF"), text(8, "WAVEfmt "), text(36, "data");
  [[4, 36 + bytes], [16, 16], [24, rateHz], [28, rateHz * 2], [40, bytes]].forEach(([at, value]) => header.setUint32(at, value, true));
  [[20, 1], [22, 1], [32, 2], [34, 16]].forEach(([at, value]) => header.setUint16(at, value, true));
  return new Blob([header, ...pieces], { type: "audio/wav" });
}
