// How loud each hop is, and whether that is louder than the room: pipeline/activity.py in JavaScript.

export const SILENCE_DBFS = -100;
const MARGIN_DB = 9;
const LOWEST_DBFS = -58;
const RISE_DB_PER_S = 2; // how fast the floor follows a louder room; falls are followed at once
const LOWEST_FLOOR_DBFS = LOWEST_DBFS - MARGIN_DB; // digital silence must not make any room seem loud

/** Returns the noise floor before the first step: a quiet room's. */
export const initialState = () => LOWEST_FLOOR_DBFS;

/** Returns [next floor, whether this step of `seconds` has sound over it]. */
export function step(floorDbfs, levelDbfs, seconds) {
  const floor = Math.max(Math.min(levelDbfs, floorDbfs + RISE_DB_PER_S * seconds), LOWEST_FLOOR_DBFS);
  return [floor, levelDbfs > floor + MARGIN_DB];
}

/** Returns the level of the loudest whole hop of int16 samples, dB of full scale. */
export function loudestHopDbfs(samples, hopSamples) {
  let loudest = 0;
  for (let start = 0; start + hopSamples <= samples.length; start += hopSamples) {
    let energy = 0;
    for (let n = start; n < start + hopSamples; n++) energy += samples[n] * samples[n];
    loudest = Math.max(loudest, energy / hopSamples / 32768 ** 2);
  }
  return 10 * Math.log10(Math.max(loudest, 10 ** (SILENCE_DBFS / 10)));
}
