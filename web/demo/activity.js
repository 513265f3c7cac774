// How loud each hop is, and whether that is louder than the room: pipeline/activity.py in JavaScript.

export const SILENCE_DBFS = -100;
const RISE_DB_PER_S = 2; // how fast the floor follows a louder room; falls are followed at once
const VOICE_LAG_SAMPLES = 16;
/** What counts as speech, by its level; a floor of -67 dBFS at least, for digital silence must not make any room seem loud. */
export const SPEECH = { marginDb: 9, lowestFloorDbfs: -67 };
/** What is more than a room's own noise, by differences over 1 ms. */
export const ROOM = { marginDb: 3.5, lowestFloorDbfs: -80 };

/** Returns the noise floor before the first step: a quiet room's. */
export const initialState = (config = SPEECH) => config.lowestFloorDbfs;

/** Returns [next floor, whether this step of `seconds` has sound over it]. */
export function step(floorDbfs, levelDbfs, seconds, config = SPEECH) {
  const floor = Math.max(Math.min(levelDbfs, floorDbfs + RISE_DB_PER_S * seconds), config.lowestFloorDbfs);
  return [floor, levelDbfs > floor + config.marginDb];
}

/** Returns the level of the loudest whole hop of int16 samples, and that of its differences over 1 ms, dB of full scale. */
export function loudestHopDbfs(samples, hopSamples) {
  let loudest = 0;
  let voice = 0;
  for (let start = 0; start + hopSamples <= samples.length; start += hopSamples) {
    let energy = 0;
    let difference = 0;
    for (let n = start; n < start + hopSamples; n++) {
      energy += samples[n] ** 2;
      if (n >= start + VOICE_LAG_SAMPLES) difference += (samples[n] - samples[n - VOICE_LAG_SAMPLES]) ** 2;
    }
    loudest = Math.max(loudest, energy / hopSamples);
    voice = Math.max(voice, difference / (hopSamples - VOICE_LAG_SAMPLES));
  }
  return [dbfs(loudest), dbfs(voice)];
}

const dbfs = (power) => 10 * Math.log10(Math.max(power / 32768 ** 2, 10 ** (SILENCE_DBFS / 10)));
