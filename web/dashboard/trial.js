// Thresholds to try: what they would have done to the last hour, and setting them.

import { ask } from "./connection.js";
import { hatch, surface } from "./canvas.js";
import { state } from "./state.js";
import { count, duration, headName, score, seconds, thresholdKey } from "./words.js";

const element = (id) => document.getElementById(id);
const WAIT_MS = 250; // after the last change
const AGAIN_MS = 30_000; // the hour goes on
const form = element("trial-form");
const gate = element("try-gate");
const range = element("try-gate-range");
let touched = false;
let drawnHeads = "";
let result = null;
let timer = 0;
let asked = 0;

const inputs = () => [gate, ...element("try-intents").querySelectorAll("input")];

function makeFields(heads) {
  gate.dataset.key = thresholdKey(heads[0]);
  element("try-intents").replaceChildren(
    ...heads.slice(1).map((head) => {
      const label = document.createElement("label");
      const input = document.createElement("input");
      Object.assign(input, { type: "number", min: 0, max: 1, step: "any", required: true, inputMode: "decimal" });
      input.dataset.key = thresholdKey(head);
      label.append(headName(head), input);
      return label;
    }),
  );
  drawnHeads = heads.join();
  touched = false;
}

/** Until somebody tries others, the fields show what the daemon has. */
export function showFields() {
  const heads = state.status?.deciding?.gate.heads;
  const ready = Boolean(heads && state.connected);
  if (element("trial-fields").disabled === ready) element("trial-fields").disabled = !ready;
  if (!heads) return;
  if (heads.join() !== drawnHeads) makeFields(heads);
  if (!touched) fill();
  element("try-apply").disabled = !ready || Boolean(state.asking);
}

function fill() {
  for (const input of inputs()) {
    const value = String(Number(state.status.thresholds[input.dataset.key].toFixed(4)));
    if (input.value !== value) input.value = value;
  }
  range.value = gate.value;
}

function tried() {
  return Object.fromEntries(inputs().map((input) => [input.dataset.key, Number(input.value)]));
}

export async function attempt() {
  clearTimeout(timer);
  timer = setTimeout(attempt, AGAIN_MS);
  if (!state.connected || !drawnHeads || (!state.scores.length && !result) || document.hidden) return;
  if (!form.checkValidity()) {
    const wrong = inputs().find((input) => !input.checkValidity());
    element("trial-words").textContent = `Got ${wrong.value || "nothing"}, expected a threshold from 0 to 1.`;
    return;
  }
  const mine = ++asked;
  try {
    const found = await ask("api/try", { thresholds: tried() });
    if (mine !== asked) return; // others were tried meanwhile
    result = found;
    show();
  } catch (error) {
    if (mine !== asked) return;
    element("trial-words").textContent = `Cannot be tried: ${error.message}.`;
    element("trial-result").hidden = true;
  }
}

/** Another run of the daemon: nothing of it was scored yet. */
export function forget() {
  result = null;
  element("trial-result").hidden = true;
  element("trial-words").textContent = "Waiting for scores.";
  element("trial-note").textContent = "";
}

function show() {
  const { really, tried: would, kept, gone } = result;
  const times = (side) => count(side.openings, "time");
  const compared = gone || result.new
    ? `it really opened ${times(really)}. Of those, ${kept} would have come too and ${gone} not; ${result.new} would be new.`
    : `as it did.`;
  element("trial-words").textContent =
    `Opening at ${score(result.open_threshold)} and closing under ${score(result.close_threshold)}, the gate would have ` +
    `opened ${times(would)} in the last ${duration(result.span_seconds)}${gone || result.new ? "; " : ", "}${compared}`;
  const heads = [...new Set([...Object.keys(really.intents), ...Object.keys(would.intents)])].sort();
  const rows = [
    ["openings", really.openings, would.openings],
    ["open for", seconds(really.seconds_open), seconds(would.seconds_open)],
    ...heads.map((head) => [headName(head), really.intents[head] ?? 0, would.intents[head] ?? 0]),
  ];
  element("trial-rows").replaceChildren(
    ...rows.map(([name, ...values]) => {
      const row = document.createElement("tr");
      const heading = document.createElement("th");
      heading.scope = "row";
      heading.textContent = name;
      row.append(heading);
      for (const value of values) row.insertCell().textContent = value;
      return row;
    }),
  );
  element("trial-result").hidden = false;
  element("trial-note").textContent = note();
  drawTrial();
}

function note() {
  const every = result.replayed_step_seconds;
  const steps = `${result.steps} of the model's decisions, every ${Math.round(result.step_seconds * 1000)} ms of what was loud enough`;
  if (every <= result.step_seconds * 1.01) {
    return `From ${steps}: all of them, so this is what the gate would have done, save around mutes and reloads. "Really" is with the thresholds of that time.`;
  }
  return (
    `The daemon publishes a score every ${Math.round(every * 1000)} ms, the model decides every ${Math.round(result.step_seconds * 1000)} ms: ` +
    "peaks between are missed, so fewer openings and intents are found than there would be, and times are as coarse. " +
    "All decisions come with publish.scores_per_second=50."
  );
}

/** When it was open, and when it would have been: two rows over the hour. */
export function drawTrial() {
  const canvas = element("trial-chart");
  const drawn = result && surface(canvas);
  if (!drawn) return;
  const { context, width, height, colours } = drawn;
  const [left, bottom] = [78, 18];
  const x = (second) => left + (second / Math.max(1, result.span_seconds)) * (width - left - 4);
  const high = (height - bottom - 8) / 2;
  [["really", result.really], ["with these", result.tried]].forEach(([name, side], row) => {
    const y = row * (high + 8);
    context.fillStyle = colours.ink;
    context.textAlign = "left";
    context.textBaseline = "middle";
    context.fillText(name, 0, y + high / 2);
    context.strokeStyle = colours.line;
    context.strokeRect(left, y + 0.5, width - left - 4, high - 1);
    for (const span of side.spans) {
      const wide = Math.max(2, x(span.from_second + span.seconds) - x(span.from_second));
      context.fillStyle = colours.accent;
      if (row) hatch(context, x(span.from_second), y, wide, high, colours.accent);
      context.globalAlpha = row ? 0.45 : 1;
      context.fillRect(x(span.from_second), y, wide, high);
      context.globalAlpha = 1;
    }
  });
  context.fillStyle = colours.muted;
  context.textBaseline = "alphabetic";
  context.fillText(`${duration(result.span_seconds)} ago`, left, height - 4);
  context.textAlign = "right";
  context.fillText("now", width - 4, height - 4);
  canvas.setAttribute("aria-label", `The gate was open ${count(result.really.openings, "time")}, and would have been ${count(result.tried.openings, "time")}`);
}

form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", (event) => {
  if (event.target.type === "checkbox") return;
  touched = true;
  if (event.target === range) gate.value = range.value;
  if (event.target === gate) range.value = gate.value;
  element("trial-answer").textContent = "";
  clearTimeout(timer);
  timer = setTimeout(attempt, WAIT_MS);
});

element("try-reset").addEventListener("click", () => {
  touched = false;
  fill();
  attempt();
});

element("try-apply").addEventListener("click", async () => {
  if (!form.reportValidity()) return;
  const keep = element("try-keep").checked;
  const changed = Object.entries(tried()).filter(([key, value]) => Math.abs(value - state.status.thresholds[key]) > 5e-5);
  const answer = element("trial-answer");
  if (!changed.length && !keep) {
    answer.textContent = "The daemon has these already.";
    return;
  }
  try {
    await ask("api/thresholds", { thresholds: Object.fromEntries(changed), keep });
    touched = false;
    answer.textContent = `Set: ${changed.map(([key, value]) => `${key} = ${value}`).join(", ")}; ${keep ? "kept after a restart" : "until the daemon stops"}.`;
  } catch (error) {
    answer.textContent = `Not set: ${error.message}.`;
  }
});
