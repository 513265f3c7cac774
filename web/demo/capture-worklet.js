// The AudioWorklet: takes what the microphone gives, mixes channels to one, and passes it to the worker through a port.
const BLOCK_SAMPLES = 640;

registerProcessor("capture", class extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Float32Array(BLOCK_SAMPLES);
    this.filled = 0;
    this.port.onmessage = ({ data }) => { this.out = data; };
  }

  process([channels]) {
    if (!channels.length || !this.out) return true;
    for (let n = 0; n < channels[0].length; n++) {
      this.block[this.filled++] = channels.reduce((sum, channel) => sum + channel[n], 0) / channels.length;
      if (this.filled < BLOCK_SAMPLES) continue;
      this.out.postMessage(this.block, [this.block.buffer]);
      this.block = new Float32Array(BLOCK_SAMPLES);
      this.filled = 0;
    }
    return true;
  }
});
