// The microphone as 16 kHz blocks on a port: getUserMedia -> AudioWorklet -> worker.
const RATE_HZ = 16_000;

/** Resolves to { port, rateHz, stop() }; the port gives Float32Array blocks. Throws, in words, when there is no microphone. */
export async function openMicrophone() {
  if (!navigator.mediaDevices) throw new Error("The microphone needs a page served over https, or from this machine.");
  // As the daemon hears it: what a browser does to speech for calls would change the scores.
  const audio = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const stream = await navigator.mediaDevices.getUserMedia({ audio }).catch((error) => {
    throw new Error(REFUSALS[error.name] ?? `The microphone cannot be opened: ${error.message}`);
  });
  try {
    return await captured(stream);
  } catch (error) {
    stream.getTracks().forEach((track) => track.stop());
    throw error;
  }
}

async function captured(stream) {
  let context = new AudioContext({ sampleRate: RATE_HZ });
  let source;
  try {
    source = context.createMediaStreamSource(stream);
  } catch {
    // Firefox joins no stream to a context of another rate: the worker resamples.
    await context.close();
    context = new AudioContext();
    source = context.createMediaStreamSource(stream);
  }
  await context.audioWorklet.addModule(new URL("capture-worklet.js", document.baseURI));
  const capture = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0 });
  const channel = new MessageChannel();
  capture.port.postMessage(channel.port1, [channel.port1]);
  source.connect(capture);
  await context.resume();
  return {
    port: channel.port2,
    rateHz: context.sampleRate,
    ended: (tell) => { stream.getAudioTracks()[0].onended = tell; },
    async stop() {
      stream.getTracks().forEach((track) => track.stop());
      await context.close();
    },
  };
}

const REFUSALS = {
  NotAllowedError: "The microphone was not allowed. Allow it in the browser's settings for this page, or choose a file.",
  NotFoundError: "There is no microphone here. Choose a file, or play an example.",
  NotReadableError: "Another program holds the microphone. Close it, or choose a file.",
};
