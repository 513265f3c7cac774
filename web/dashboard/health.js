// How the daemon is, in its own figures.

import { state } from "./state.js";
import { count, duration, stateInWords } from "./words.js";

const list = document.getElementById("health-list");

function figures() {
  const { health, status } = state;
  const rows = [
    ["State", `${stateInWords(health.state)[1]}${health.reason ? `: ${health.reason}` : ""}`],
    ["CPU", `${(health.cpu * 100).toFixed(1)}% of a core`],
    ["Memory", `${Math.round(health.rss / 1e6)} MB`],
    ["Up for", duration(health.uptime)],
    ["Audio missing", `${(health.dropped / 16_000).toFixed(2)} s in ${count(health.gaps, "gap")}`],
    ["Overflows", health.overflows],
    ["Latest block", `${Math.round(health.jitter_ms)} ms late`],
    ["Clock drift", `${Math.round(health.drift_ppm)} ppm`],
    ["Listens to", health.microphone || status?.input || "–"],
    ["Runs on", health.processor],
    ["Messages lost", state.lost],
    ["Restarts", `${Math.max(0, state.runs - 1)} since the dashboard started`],
  ];
  if (status) rows.push(["Model", status.model.version], ["Subscribers", status.subscribers]);
  return rows;
}

export function showHealth() {
  const rows = state.health ? figures() : [["State", "nothing heard yet"]];
  list.replaceChildren(
    ...rows.map(([name, value]) => {
      const row = document.createElement("div");
      const term = document.createElement("dt");
      const definition = document.createElement("dd");
      term.textContent = name;
      definition.textContent = value;
      row.append(term, definition);
      return row;
    }),
  );
}
