// What is seen: bars against their thresholds, the gate's last seconds, the list of events.
import { eventWords, headWords } from "./words.js";

const HISTORY_SECONDS = 12;
const MOST_EVENTS = 200;
const byId = (id) => document.getElementById(id);
const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class View {
  /** opened: what the worker told about the model. */
  constructor({ heads, thresholds, closeThreshold }) {
    this.thresholds = thresholds;
    this.closeThreshold = closeThreshold;
    this.heads = heads;
    const marks = [{ at: share(closeThreshold, thresholds[0]), name: "closes" }];
    this.bars = heads.map((head, index) => new Bar(headWords(head), thresholds[index], index ? [] : marks));
    byId("gate-meter").replaceChildren(this.bars[0].element);
    byId("heads").replaceChildren(...this.bars.slice(1).map((bar) => bar.element));
    this.clear();
  }

  /** Forgets what was heard before. */
  clear() {
    this.history = [];
    this.open = false;
    this.bars.forEach((bar) => bar.clear());
    byId("gate-state").textContent = "closed";
    byId("kinds").textContent = "";
    document.body.classList.remove("open");
    byId("events").replaceChildren();
    this.#draw();
  }

  step({ atSample, scores, levelDbfs, asleep }) {
    this.latest = { seconds: atSample / 16_000, scores, levelDbfs, asleep };
    if (this.history.at(-1)?.seconds === atSample / 16_000) this.history.pop(); // of the silence after the end
    this.history.push({ seconds: atSample / 16_000, score: scores ? scores[0] : 0, open: this.open });
    while (this.history[0].seconds < atSample / 16_000 - HISTORY_SECONDS) this.history.shift();
    this.#draw();
  }

  event(event) {
    const index = this.heads.indexOf(event.head);
    if (event.topic === "gate.opened") {
      this.open = true;
      this.bars.forEach((bar) => bar.light(false));
      this.bars[0].light(true);
    } else if (event.topic === "intent") {
      this.bars[index].light(true);
    } else {
      this.open = false;
      this.bars.forEach((bar) => bar.past());
    }
    if (this.history.length) this.history.at(-1).open ||= this.open;
    const kinds = this.bars.slice(1).filter((bar) => bar.isLit).map((bar) => bar.name.textContent);
    byId("gate-state").textContent = this.open ? "open" : "closed";
    byId("kinds").textContent = kinds.length ? `${this.open ? "" : "last: "}${kinds.join(", ")}` : "";
    document.body.classList.toggle("open", this.open);
    this.#list(event);
  }

  /** Shows the highest score of each head over a whole file. */
  peaks(peaks) {
    this.#painted = true;
    this.bars.forEach((bar, index) => bar.show(peaks[index]));
  }
  #painted = false;

  #list(event) {
    const item = document.createElement("li");
    item.className = event.topic.replace(".", "-");
    const time = document.createElement("time");
    time.textContent = `${(event.at_sample / 16_000).toFixed(2)} s`;
    item.append(time, ` ${eventWords(event)}`);
    const list = byId("events");
    list.prepend(item);
    if (list.children.length > MOST_EVENTS) list.lastChild.remove();
  }

  /** Paints at the next frame; for who wants calm, at most twice a second. */
  #draw() {
    this.#painted = false;
    if (this.pending) return;
    this.pending = true;
    const paint = () => {
      this.pending = false;
      this.#paint();
    };
    if (calm.matches) setTimeout(paint, 500);
    else requestAnimationFrame(paint);
  }

  #paint() {
    if (this.latest && !this.#painted) {
      const { scores, levelDbfs, asleep, seconds } = this.latest;
      this.bars.forEach((bar, index) => bar.show(scores ? scores[index] : 0));
      byId("level").textContent = `${Math.round(levelDbfs)} dB${asleep ? ", asleep" : ""}`;
      byId("heard").textContent = `${seconds.toFixed(1)} s`;
    }
    drawHistory(byId("history"), this.history, this.thresholds[0], this.closeThreshold);
  }
}

/** One head: its name, its score, and a bar on which its threshold is always in the middle. */
class Bar {
  constructor(name, threshold, marks) {
    this.threshold = threshold;
    this.element = document.createElement("div");
    this.element.className = "bar";
    this.element.innerHTML = `<span class="name"></span><span class="lit"></span><span class="score"></span>
      <div class="track" role="meter" aria-valuemin="0" aria-valuemax="1"><div class="fill"></div><div class="peak"></div><div class="mark"></div></div>`;
    [this.name, this.lit, this.score, this.track] = this.element.children;
    [this.fill, this.peakLine] = this.track.children;
    this.name.textContent = name;
    this.track.setAttribute("aria-label", name);
    for (const { at, name: title } of marks) {
      const mark = document.createElement("div");
      mark.className = "mark lower";
      mark.title = title;
      mark.style.insetInlineStart = `${at * 100}%`;
      this.track.append(mark);
    }
  }

  show(score) {
    this.peak = Math.max(this.peak, score);
    this.fill.style.transform = `scaleX(${share(score, this.threshold)})`;
    this.peakLine.style.insetInlineStart = `${share(this.peak, this.threshold) * 100}%`;
    this.score.textContent = `${score.toFixed(2)} of ${this.threshold.toFixed(2)}`;
    this.track.setAttribute("aria-valuenow", score.toFixed(2));
    this.track.setAttribute("aria-valuetext", `${score.toFixed(2)}, threshold ${this.threshold.toFixed(2)}`);
    this.element.classList.toggle("over", score >= this.threshold);
  }

  light(on) {
    this.element.classList.toggle("told", on);
    this.element.classList.remove("was");
    this.lit.textContent = on ? "● heard" : "";
    if (!on) this.peak = 0;
  }

  /** Whether it is heard in the open utterance, or was in the last one. */
  get isLit() {
    return this.lit.textContent !== "";
  }

  /** The utterance is over: what was lit stays named. */
  past() {
    if (!this.element.classList.replace("told", "was")) return;
    this.lit.textContent = "○ was heard";
  }

  clear() {
    this.light(false);
    this.show(0);
  }
}

/** Returns where a score stands on a bar that has the threshold in its middle. */
const share = (score, threshold) =>
  score < threshold ? (0.5 * score) / threshold : 0.5 + (0.5 * (score - threshold)) / Math.max(1 - threshold, 1e-6);

function drawHistory(canvas, history, opens, closes) {
  const ratio = devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
  const brush = canvas.getContext("2d");
  const colour = (name) => getComputedStyle(canvas).getPropertyValue(name);
  brush.setTransform(ratio, 0, 0, ratio, 0, 0);
  brush.clearRect(0, 0, width, height);
  const end = Math.max(history.at(-1)?.seconds ?? 0, HISTORY_SECONDS);
  const x = (seconds) => width * (1 - (end - seconds) / HISTORY_SECONDS);
  const y = (score) => 4 + (height - 8) * (1 - score);
  brush.fillStyle = colour("--open-fill");
  for (let first = 0, last; first < history.length; first = last + 1) {
    for (last = first; history[first].open && history[last + 1]?.open; last++);
    const from = history[Math.max(0, first - 1)].seconds;
    if (history[first].open) brush.fillRect(x(from), 0, x(history[last].seconds) - x(from), height);
  }
  brush.font = "12px system-ui, sans-serif";
  brush.textAlign = "right";
  brush.fillStyle = colour("--soft");
  brush.strokeStyle = colour("--soft");
  for (const [threshold, name] of [[opens, "opens"], [closes, "closes"]]) {
    brush.setLineDash(name === "opens" ? [] : [4, 4]);
    brush.beginPath();
    brush.moveTo(0, y(threshold));
    brush.lineTo(width, y(threshold));
    brush.stroke();
    brush.fillText(`${name} at ${threshold.toFixed(2)}`, width - 6, y(threshold) - 4);
  }
  brush.setLineDash([]);
  brush.strokeStyle = colour("--accent");
  brush.lineWidth = 2;
  brush.beginPath();
  history.forEach(({ seconds, score }, index) => brush[index ? "lineTo" : "moveTo"](x(seconds), y(score)));
  brush.stroke();
}
