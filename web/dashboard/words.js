// How things are called and told.

/** "hasStartTimerIntent" -> "start timer" */
export function headName(head) {
  return head
    .replace(/^(has|is)(?=[A-Z])/, "")
    .replace(/Intent$/, "")
    .replace(/(?<=[a-z0-9])(?=[A-Z])/g, " ")
    .toLowerCase();
}

/** "hasStartTimerIntent" -> "has_start_timer_intent", as in the daemon */
export function thresholdKey(head) {
  return head.replace(/(?<=[a-z0-9])(?=[A-Z])/g, "_").toLowerCase();
}

export function clock(timeNs) {
  return new Date(timeNs / 1e6).toLocaleTimeString("en-GB");
}

/** Two digits; three where two would say 0. */
export function score(value) {
  return value < 0.1 ? value.toFixed(3) : value.toFixed(2);
}

export function seconds(value) {
  return value < 10 ? `${value.toFixed(1)} s` : `${Math.round(value)} s`;
}

/** 4000 s -> "1 h 7 min" */
export function duration(value) {
  if (value < 60) return `${Math.round(value)} s`;
  const minutes = Math.round(value / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function count(number, singular, plural = `${singular}s`) {
  return `${number} ${number === 1 ? singular : plural}`;
}

const REASONS = {
  silence: "silence",
  hold: "the score stayed low",
  max_length: "it got too long",
  muted: "the mute",
  reload: "a reload",
  end_of_stream: "the end of the audio",
};

export function closedBy(reason) {
  return reason ? `closed by ${REASONS[reason] ?? reason}` : "its close was not heard";
}

export function intentsInWords(heads) {
  return heads.length ? heads.map(headName).join(", ") : "no intent";
}

/** One line of the event list. */
export function eventInWords(event) {
  switch (event.topic) {
    case "gate.opened":
      return `Gate opened, score ${score(event.score)}`;
    case "gate.closed":
      return `Gate closed after ${seconds(event.duration_ms / 1000)}, ${closedBy(event.reason)}: ${intentsInWords(event.intents)}`;
    case "intent":
      return `${headName(event.head)}, score ${score(event.score)}${event.final ? ", final" : ""}`;
    default:
      return event.topic;
  }
}

const STATES = {
  starting: ["…", "starting"],
  listening: ["●", "listening"],
  muted: ["⊘", "muted"],
  silent: ["!", "hears nothing but zeros"],
  stalled: ["!", "no audio comes"],
  stopping: ["■", "stopped"],
  absent: ["?", "not heard"],
  unreachable: ["?", "no connection"],
};

/** A sign and a word for it: never colour alone. */
export function stateInWords(state) {
  return STATES[state] ?? ["?", state];
}
