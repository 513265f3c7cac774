// Everything that is said in words.

const HEADS = {
  isInteresting: "Meant for the assistant",
  hasAddToListIntent: "Add to a list",
  hasTermSearchQuery: "Look something up",
  hasPhotoQuery: "Find photos",
  hasCalendarEvent: "Calendar",
  hasCreateDocIntent: "Write a document",
  hasPersonContext: "Recall a person",
  hasEventContext: "Recall an event",
  hasDeepResearchIntent: "Deep research",
  hasInsightIntent: "Advise",
  hasBrowsingAgentIntent: "Do it on the web",
  hasCallingAgentIntent: "Make a phone call",
  hasStartTimerIntent: "Start a timer",
};
const REASONS = {
  silence: "it went quiet",
  hold: "the sound went on, the score did not",
  max_length: "it was open for as long as it may be",
  end_of_stream: "the sound ended",
};

/** Returns what a head is called; of a model with heads of its own, its name taken apart. */
export const headWords = (head) => HEADS[head] ?? head.replace(/^(has|is)(?=[A-Z])/, "").replace(/(?<=[a-z0-9])(?=[A-Z])/g, " ");

/** Returns an event as a sentence. */
export function eventWords(event) {
  switch (event.topic) {
    case "gate.opened": return `Gate opened: this is for the assistant (${event.score.toFixed(2)}).`;
    case "intent": return `${event.final ? "Confirmed" : "Heard"}: ${headWords(event.head)} (${event.score.toFixed(2)}).`;
    default: {
      const kinds = event.intents.map(headWords).join(", ") || "none of the kinds";
      return `Gate closed after ${(event.duration_ms / 1000).toFixed(1)} s, ${REASONS[event.reason]}: ${kinds}.`;
    }
  }
}
