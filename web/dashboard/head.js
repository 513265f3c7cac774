// The top of the page: state, level, mute, connection; and what is said aloud.

import { ask } from "./connection.js";
import { nowMs, state, thresholds } from "./state.js";
import { score, seconds, stateInWords } from "./words.js";

const element = (id) => document.getElementById(id);
const QUIETEST_DBFS = -80;
let told = "";
let spoken = "";

/** Say something once to those who listen to the page. */
export function announce(words) {
  if (words && words !== spoken) element("announcer").textContent = words;
  spoken = words;
}

function banner(id, words) {
  const place = element(id);
  if (place.textContent !== words) place.textContent = words;
  place.hidden = !words;
}

export function lost(why) {
  const since = state.connected ? new Date().toLocaleTimeString("en-GB") : state.lostSince;
  if (state.connected) state.lostSince = since;
  state.connected = false;
  banner("connection", `${why}${since ? ` No connection since ${since}.` : ""} Trying again every 2 s; this page goes on by itself.`);
  show();
}

function condition() {
  if (!state.connected) return ["unreachable", ""];
  if (!state.daemon?.present) return ["absent", ""];
  return [state.health?.state ?? "starting", state.health?.reason ?? ""];
}

export function show() {
  const [name, reason] = condition();
  const [sign, word] = stateInWords(name);
  const words = `${word}${reason ? `: ${reason}` : ""}`;
  element("state").textContent = `${sign} ${words}`;
  element("state").dataset.state = name;
  if (words !== told) announce(name === "unreachable" ? "No connection to the dashboard" : `The daemon: ${words}`);
  told = words;
  element("device").textContent = state.health?.device ?? "";
  document.title = `${state.open ? "◆ open" : word} · inherentd`;
  if (state.connected) banner("connection", state.daemon?.present ? "" : (state.daemon?.words ?? ""));
  const mute = element("mute");
  const muted = Boolean(state.health?.muted);
  mute.disabled = !state.connected || Boolean(state.asking) || !state.status;
  mute.textContent = muted ? "Unmute" : "Mute";
  mute.setAttribute("aria-pressed", String(muted));
  const noAnswer = state.connected && state.daemon?.present && state.asking;
  banner("asking", noAnswer ? `The daemon takes no requests from here, so no mute and no thresholds: ${state.asking}.` : "");
  const off = state.status?.deciding?.scores_every_samples === 0;
  element("scores-off").hidden = !(off && state.daemon?.present);
}

export function showNow() {
  const recent = state.scores.at(-1);
  const fresh = recent && nowMs() - recent[0] < 1500;
  const level = fresh ? recent[1] : state.daemon?.present ? state.status?.level_dbfs : undefined;
  const shown = Math.max(QUIETEST_DBFS, level ?? QUIETEST_DBFS);
  element("level").setAttribute("aria-valuenow", Math.round(shown));
  element("level-fill").style.inlineSize = `${(1 - shown / QUIETEST_DBFS) * 100}%`;
  element("level-text").textContent = level === undefined ? "no level" : `${Math.round(level)} dBFS`;
  const limits = thresholds();
  const against = limits ? ` It opens at ${score(limits.opens)} and closes under ${score(limits.closes)}.` : "";
  let words = "Waiting for the daemon.";
  if (state.open) words = `◆ Gate open for ${seconds(Math.max(0, nowMs() - state.open.time_ns / 1e6) / 1000)}${fresh ? `, score ${score(recent[2][0])}` : ""}.${against}`;
  else if (fresh) words = `Gate closed, score ${score(recent[2][0])}.${against}`;
  else if (state.daemon?.present) words = `Gate closed${state.status?.asleep ? "; it is quiet, so the model sleeps" : ""}.${against}`;
  element("gate-words").textContent = words;
}

element("mute").addEventListener("click", async () => {
  const muted = !state.health?.muted;
  try {
    await ask("api/mute", { muted });
  } catch (error) {
    banner("asking", `Not ${muted ? "muted" : "unmuted"}: ${error.message}.`);
  }
});
