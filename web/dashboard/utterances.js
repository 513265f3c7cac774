// Utterances to listen to, and the list of events.

import { wav } from "./connection.js";
import { announce } from "./head.js";
import { nowMs, state } from "./state.js";
import { clock, closedBy, eventInWords, headName, intentsInWords, score, seconds } from "./words.js";

const list = document.getElementById("utterance-list");
const events = document.getElementById("event-list");
const open = document.getElementById("open-utterance");
const MOST_SHOWN = 50;

function make(name, text, className) {
  const element = document.createElement(name);
  element.textContent = text ?? "";
  if (className) element.className = className;
  return element;
}

function card(utterance) {
  const item = make("li");
  item.dataset.key = keyOf(utterance);
  const when = utterance.time_ns ? clock(utterance.time_ns) : "its opening was not heard";
  const heading = make("h3", `${when} · ${seconds(utterance.seconds)}`);
  const details = [closedBy(utterance.reason)];
  if (utterance.score !== null) details.unshift(`opened with ${score(utterance.score)}`);
  if (!utterance.complete) details.push("parts of it are missing");
  const intents = make("ul", "", "tags");
  const found = Object.entries(utterance.intents).sort(([, one], [, other]) => other - one);
  for (const [head, value] of found) intents.append(make("li", `${headName(head)} ${score(value)}`));
  if (!found.length) intents.append(make("li", "no intent", "none"));
  const button = make("button", "▶ Listen");
  button.type = "button";
  button.setAttribute("aria-label", `Listen to the utterance of ${when}: ${intentsInWords(found.map(([head]) => head))}`);
  button.addEventListener("click", () => listen(utterance, item, button));
  item.append(heading, intents, make("p", details.join(", "), "note"), button);
  return item;
}

async function listen(utterance, item, button) {
  button.disabled = true;
  try {
    const audio = document.createElement("audio");
    audio.src = URL.createObjectURL(await wav(utterance.stream, utterance.utterance));
    audio.controls = true;
    audio.setAttribute("aria-label", button.getAttribute("aria-label"));
    button.replaceWith(audio);
    audio.focus();
    await audio.play();
  } catch (error) {
    button.disabled = false;
    item.querySelector(".note").textContent = `Cannot be played: ${error.message}.`;
  }
}

const keyOf = ({ stream, utterance }) => `${stream}/${utterance}`;

/** Those that are shown stay as they are: one of them may be playing. */
export function showUtterances() {
  const wanted = new Map(state.utterances.map((utterance) => [keyOf(utterance), utterance]));
  for (const item of [...list.children]) {
    if (wanted.has(item.dataset.key)) wanted.delete(item.dataset.key);
    else {
      const audio = item.querySelector("audio");
      if (audio) URL.revokeObjectURL(audio.src);
      item.remove();
    }
  }
  for (const utterance of wanted.values()) list.prepend(card(utterance));
  document.getElementById("no-utterance").hidden = list.children.length > 0;
}

export function showEvents(fresh) {
  const shown = state.events.slice(-MOST_SHOWN).reverse();
  events.replaceChildren(
    ...shown.map((event) => {
      const item = make("li", "", event.topic.replace(".", "-"));
      item.append(make("time", clock(event.time_ns)), ` ${eventInWords(event)}`);
      return item;
    }),
  );
  for (const event of fresh) if (event.topic !== "intent") announce(eventInWords(event));
}

export function showOpen() {
  open.hidden = !state.open;
  if (!state.open) return;
  const told = state.events.filter(
    (event) => event.topic === "intent" && event.utterance === state.open.utterance && event.stream === state.health?.stream,
  );
  const intents = [...new Set(told.map((event) => event.head))];
  const age = Math.max(0, nowMs() - state.open.time_ns / 1e6) / 1000;
  open.textContent = `◆ Open since ${clock(state.open.time_ns)}, ${seconds(age)}: ${intents.length ? intentsInWords(intents) : "no intent yet"}`;
}
