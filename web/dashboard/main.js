// The page: frames in, everything drawn.

import { drawEveryMs } from "./canvas.js";
import { follow } from "./connection.js";
import { lost, show, showNow } from "./head.js";
import { showHealth } from "./health.js";
import { describe, draw } from "./now.js";
import { apply, state } from "./state.js";
import { attempt, drawTrial, forget, showFields } from "./trial.js";
import { showEvents, showOpen, showUtterances } from "./utterances.js";

const DESCRIBE_MS = 5000;
let waiting = true; // for something to try thresholds on

function onFrame(frame) {
  apply(frame);
  show();
  showFields();
  if (frame.health || frame.status || frame.whole) showHealth();
  if (frame.events || frame.whole) showEvents(frame.whole ? [] : frame.events);
  if (frame.utterances || frame.whole) showUtterances();
  if (frame.begin || frame.whole) forget();
  const closed = frame.events?.some((event) => event.topic === "gate.closed");
  if (state.scores.length && state.status && (closed || waiting || frame.whole)) attempt();
  waiting = !(state.scores.length && state.status);
}

function onLost(why) {
  lost(why);
  showFields();
}

function tick() {
  if (!document.hidden) {
    showNow();
    showOpen();
    draw();
  }
  setTimeout(tick, drawEveryMs());
}

addEventListener("resize", drawTrial);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawTrial);
setInterval(describe, DESCRIBE_MS);
tick();
follow(onFrame, onLost);
