// The page: buttons to the worker, the worker's words to the view.
import { allKept, keepForOffline } from "./offline.js";
import { openMicrophone } from "./microphone.js";
import { exactSamples, mono } from "./pcm.js";
import { View } from "./view.js";
import { eventWords, headWords } from "./words.js";

const RATE_HZ = 16_000;
const byId = (id) => document.getElementById(id);
const MOST_SPOKEN = 20;
let worker = null;
let view = null;
let opened = null;
let microphone = null;
let pending = null; // the microphone that was asked for and is not there yet
let sound = null; // what a file sounds like while it is heard

start();

/** Shows words, and gives them to a screen reader. */
function say(words) {
  byId("status").textContent = words;
  const line = document.createElement("p");
  line.textContent = words;
  byId("spoken").append(line);
  if (byId("spoken").children.length > MOST_SPOKEN) byId("spoken").firstChild.remove();
}

async function start() {
  const unkept = await keepForOffline();
  worker = new Worker(new URL("worker.js", document.baseURI), { type: "module" });
  worker.onmessage = ({ data }) => {
    answers[data.type](data);
    // For scripts and tests that want what the worker told in numbers.
    document.dispatchEvent(new CustomEvent("inherentd", { detail: data }));
  };
  worker.onerror = (event) => say(`The page is broken: ${event.message ?? "the worker does not start"}`);
  if (unkept) byId("offline").textContent = unkept;
  listExamples();
  open();
}

function open() {
  enable(false);
  say("Loading the model: up to 20 MB, once.");
  worker.postMessage({ type: "open", file: byId("form").value, processor: byId("processor").value });
}

const answers = {
  async opened(data) {
    opened = data;
    view = new View(data);
    byId("cost").textContent = `${data.milliseconds.toFixed(1)} of ${data.stepMilliseconds} ms`;
    byId("running").textContent = `${data.words}. Model ${data.version}, ${data.form} form.`;
    enable(true);
    say("Ready. Use the microphone, choose a file, or play an example.");
    if (byId("offline").textContent === "not yet" && await allKept(data.fetched)) byId("offline").textContent = "works now";
  },
  step: (data) => view.step(data),
  event({ event }) {
    view.event(event);
    if (event.topic !== "intent" || !event.final) say(eventWords(event)); // the close names the confirmed ones
  },
  late: ({ seconds }) => say(`This device is too slow: ${seconds.toFixed(0)} s behind.`),
  finished({ peaks, seconds }) {
    busy(false);
    if (microphone) {
      microphone = null;
      say(`Stopped after ${seconds.toFixed(1)} s.`);
      return;
    }
    view.peaks(peaks);
    const over = opened.heads.filter((_, index) => index && peaks[index] >= opened.thresholds[index]).map(headWords);
    const gate = peaks[0] >= opened.thresholds[0] ? "for the assistant" : "not for the assistant";
    say(`${seconds.toFixed(1)} s heard: ${gate}${peaks[0] >= opened.thresholds[0] && over.length ? `; ${over.join(", ")}` : ""}. The bars show the highest scores.`);
  },
  recording({ file }) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = "heard.wav";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  },
  error({ message }) {
    busy(false);
    stopSound();
    microphone?.stop();
    microphone = null;
    say(message);
  },
};

function enable(on) {
  for (const id of ["listen", "file", "example", "play", "form", "processor"]) byId(id).disabled = !on;
  if (on) byId("stop").disabled = true;
}

function busy(on) {
  enable(!on);
  byId("stop").disabled = !on;
  byId("save").disabled = on;
}

async function listen() {
  busy(true);
  say("Asking for the microphone…");
  const asking = (pending = {}); // until stop is pressed
  let ready;
  try {
    ready = await openMicrophone();
  } catch (error) {
    if (pending !== asking) return;
    pending = null;
    busy(false);
    say(error.message);
    return;
  }
  if (pending !== asking) {
    ready.stop();
    return;
  }
  pending = null;
  microphone = ready;
  microphone.ended(() => stop("The microphone went away."));
  view.clear();
  worker.postMessage({ type: "listen", port: microphone.port, rateHz: microphone.rateHz }, [microphone.port]);
  say("Listening.");
}

function stop(reason) {
  if (pending) {
    pending = null;
    busy(false);
    say("Stopped.");
    return;
  }
  if (reason) say(reason);
  microphone?.stop();
  stopSound();
  worker.postMessage({ type: "stop" });
}

async function hearFile(name, bytes) {
  busy(true);
  const exact = exactSamples(bytes, RATE_HZ); // before the decoder takes the bytes away
  let decoded;
  try {
    decoded = await new OfflineAudioContext(1, 1, RATE_HZ).decodeAudioData(bytes);
  } catch {
    busy(false);
    say(`${name} is no audio that this browser can read. WAV, FLAC, MP3 and Ogg mostly work.`);
    return;
  }
  view.clear();
  const fast = byId("fast").checked;
  say(`Hearing ${name}.`);
  if (!fast) playSound(decoded);
  worker.postMessage({ type: "file", samples: exact ?? mono(decoded), fast });
}

function playSound(decoded) {
  const context = new AudioContext();
  const source = new AudioBufferSourceNode(context, { buffer: decoded });
  source.connect(context.destination);
  source.onended = stopSound;
  source.start();
  sound = context;
}

function stopSound() {
  sound?.close();
  sound = null;
}

async function listExamples() {
  const clips = await (await fetch("clips/clips.json")).json();
  byId("example").replaceChildren(...clips.map(({ file, text, heads, addressed }) => {
    const meant = addressed ? heads.map(headWords).join(", ") || "a request" : "not for the assistant";
    return new Option(`“${text}” (${meant})`, file);
  }));
}

async function playExample() {
  const file = byId("example").value;
  const response = await fetch(file).catch(() => null);
  if (response?.ok) await hearFile("the example", await response.arrayBuffer());
  else say("This example is not kept for offline use: play it once with a connection.");
}

async function take(file) {
  if (file && !byId("file").disabled) await hearFile(file.name, await file.arrayBuffer());
}

byId("listen").onclick = listen;
byId("stop").onclick = () => stop();
byId("play").onclick = playExample;
byId("save").onclick = () => worker.postMessage({ type: "recording" });
byId("form").onchange = open;
byId("processor").onchange = open;
byId("file").onchange = async ({ target }) => {
  await take(target.files[0]);
  target.value = ""; // the same file may be chosen again
};
document.ondragover = (event) => event.preventDefault();
document.ondrop = (event) => {
  event.preventDefault();
  take(event.dataTransfer.files[0]);
};
