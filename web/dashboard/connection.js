// The stream of frames, and requests. Connects again by itself, and says so.

const AGAIN_MS = 2000;
const SILENCE_MS = 5000; // a frame comes every second
const KEY = "inherentd-dashboard-key";

/** The key from the address that was opened, else the one of the last time. It leaves the address bar. */
function readKey() {
  const given = new URLSearchParams(location.hash.slice(1)).get("key");
  if (given) {
    localStorage.setItem(KEY, given);
    history.replaceState(null, "", location.pathname);
  }
  return given ?? localStorage.getItem(KEY) ?? "";
}

let key = readKey();
// Whoever opens the printed address over a page that is open already changes its hash only.
addEventListener("hashchange", () => (key = readKey()));

const headers = () => ({ Authorization: `Bearer ${key}` });

async function refusal(response) {
  try {
    return (await response.json()).error;
  } catch {
    return `${response.status} ${response.statusText}`;
  }
}

/** Return the answer of a request as JSON. Throws an Error in the dashboard's words. */
export async function ask(path, body) {
  let response;
  try {
    response = await fetch(path, {
      method: "POST",
      headers: { ...headers(), "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Error("the dashboard does not answer");
  }
  if (!response.ok) throw new Error(await refusal(response));
  return response.json();
}

/** Return an utterance's WAV as a Blob. */
export async function wav(stream, utterance) {
  const response = await fetch(`api/utterances/${stream}/${utterance}.wav`, { headers: headers() });
  if (!response.ok) throw new Error(await refusal(response));
  return response.blob();
}

/** Call onFrame with each frame, and onLost(words) whenever the stream ends, for ever. */
export async function follow(onFrame, onLost) {
  for (;;) {
    let why = "The dashboard does not answer.";
    try {
      why = await stream(onFrame);
    } catch {
      // it ended, or never began: the same to who looks at it
    }
    onLost(why);
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

async function stream(onFrame) {
  const abort = new AbortController();
  let watchdog = setTimeout(() => abort.abort(), SILENCE_MS);
  try {
    const response = await fetch("api/live", { headers: headers(), signal: abort.signal });
    if (!response.ok) return `The dashboard refuses: ${await refusal(response)}.`;
    const decoder = new TextDecoder();
    const reader = response.body.getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return "The dashboard ended the connection.";
      clearTimeout(watchdog);
      watchdog = setTimeout(() => abort.abort(), SILENCE_MS);
      const events = (text + decoder.decode(value, { stream: true })).split("\n\n");
      text = events.pop();
      for (const event of events) onFrame(JSON.parse(event.slice("data: ".length)));
    }
  } finally {
    clearTimeout(watchdog);
    abort.abort();
  }
}
