// The last minute: the gate's score against its thresholds, and each intent's.

import { hatch, line, surface } from "./canvas.js";
import { nowMs, openSpans, state, thresholds } from "./state.js";
import { headName, score, thresholdKey } from "./words.js";

const SPAN_MS = 60_000;
const GAP_MS = 700; // longer apart than steps come: the model slept
const chart = document.getElementById("gate-chart");
const table = document.getElementById("heads");
const rows = table.querySelector("tbody");
let drawnHeads = "";

/** Points of one head, [x, y], with null where nothing was scored. */
function points(head, x, y) {
  const found = [];
  let before = null;
  for (const [ms, , scores] of state.scores) {
    if (before !== null && ms - before > GAP_MS) found.push(null);
    found.push([x(ms), y(scores[head])]);
    before = ms;
  }
  return found;
}

function drawGate() {
  const drawn = surface(chart);
  if (!drawn) return;
  const { context, width, height, colours } = drawn;
  const [left, right, top, bottom] = [26, 8, 22, 20];
  const now = nowMs();
  const x = (ms) => left + (1 - (now - ms) / SPAN_MS) * (width - left - right);
  const y = (value) => top + (1 - value) * (height - top - bottom);
  context.fillStyle = colours.muted;
  context.textBaseline = "middle";
  for (const value of [0, 0.5, 1]) {
    context.textAlign = "right";
    context.fillText(value, left - 6, y(value));
    line(context, [[left, y(value)], [width - right, y(value)]], colours.line, 1);
  }
  context.textBaseline = "alphabetic";
  for (const [ago, text, align] of [[60, "60 s ago", "left"], [30, "30 s", "center"], [0, "now", "right"]]) {
    context.textAlign = align;
    context.fillText(text, x(now - ago * 1000), height - 4);
  }
  context.save();
  context.beginPath();
  context.rect(left, 0, width - left - right, height);
  context.clip();
  for (const { from, to } of openSpans()) {
    const [begin, end] = [Math.max(left, x(from)), x(to ?? now)];
    if (end <= left) continue;
    hatch(context, begin, top, end - begin, y(0) - top, colours.accent);
    line(context, [[begin, top - 3], [end, top - 3]], colours.accent, 3);
    context.fillStyle = colours.ink;
    context.textAlign = "left";
    if (end - begin > 30) context.fillText("open", begin + 2, top - 8);
  }
  line(context, points(0, x, y), colours.accent, 2);
  context.restore();
  const limits = thresholds();
  if (!limits) return;
  for (const [value, text, dash] of [[limits.opens, "opens", [6, 4]], [limits.closes, "closes", [2, 4]]]) {
    context.setLineDash(dash);
    line(context, [[left, y(value)], [width - right, y(value)]], colours.ink, 1);
    context.setLineDash([]);
    const label = `${text} ${score(value)}`;
    const wide = context.measureText(label).width;
    context.fillStyle = colours.surface;
    context.fillRect(left + 4, y(value) - 17, wide + 6, 15);
    context.fillStyle = colours.ink;
    context.textAlign = "left";
    context.fillText(label, left + 7, y(value) - 5);
  }
}

/** The threshold at half the height, whatever it is: over the middle is over the threshold. */
function drawHead(canvas, head, threshold) {
  const drawn = surface(canvas);
  if (!drawn) return;
  const { context, width, height, colours } = drawn;
  const now = nowMs();
  const x = (ms) => (1 - (now - ms) / SPAN_MS) * width;
  const share = (value) =>
    value < threshold ? (0.5 * value) / threshold : 0.5 + (0.5 * (value - threshold)) / Math.max(1e-9, 1 - threshold);
  const y = (value) => height - 2 - share(value) * (height - 4);
  context.setLineDash([4, 4]);
  line(context, [[0, height / 2], [width, height / 2]], colours.muted, 1);
  context.setLineDash([]);
  line(context, points(head, x, y), colours.accent, 1.5);
}

function makeRows() {
  rows.replaceChildren(
    ...state.heads.slice(1).map((head) => {
      const row = document.createElement("tr");
      const name = document.createElement("th");
      name.scope = "row";
      name.textContent = headName(head);
      name.title = head;
      const canvas = document.createElement("canvas");
      canvas.setAttribute("aria-hidden", "true"); // the numbers beside it say the same
      const cells = [canvas, "", ""].map((content) => {
        const cell = document.createElement("td");
        cell.append(content);
        return cell;
      });
      row.append(name, ...cells);
      return row;
    }),
  );
  drawnHeads = state.heads.join();
}

function drawHeads() {
  table.hidden = state.heads.length < 2;
  if (drawnHeads !== state.heads.join()) makeRows();
  const byKey = thresholds()?.byKey ?? {};
  const recent = state.scores.at(-1);
  const fresh = recent && nowMs() - recent[0] < 2000 ? recent[2] : null;
  [...rows.children].forEach((row, index) => {
    const threshold = byKey[thresholdKey(state.heads[index + 1])];
    const [, spark, now, limit] = row.children;
    const value = fresh?.[index + 1];
    const over = value >= threshold;
    row.classList.toggle("over", over);
    now.textContent = value === undefined ? "–" : `${over ? "✓ " : ""}${score(value)}`;
    limit.textContent = threshold === undefined ? "–" : score(threshold);
    drawHead(spark.firstChild, index + 1, threshold ?? 0.5);
  });
}

export function draw() {
  drawGate();
  drawHeads();
}

/** The same in words, for those who cannot see it. */
export function describe() {
  const limits = thresholds();
  const scores = state.scores.map(([, , values]) => values[0]);
  const highest = scores.length ? `highest ${score(Math.max(...scores))}` : "no score";
  const opened = openSpans().filter(({ from, to }) => (to ?? nowMs()) > nowMs() - SPAN_MS && from).length;
  const against = limits ? `; opens at ${score(limits.opens)}, closes under ${score(limits.closes)}` : "";
  chart.setAttribute("aria-label", `Gate score of the last minute: ${highest}${against}; open ${opened} times`);
}
