/**
 * How loud a microphone is, for a meter.
 */

/**
 * @param {Float32Array} samples -1…1
 * @returns {number} 0…1 on a scale that follows the ear: -60 dBFS and less is 0, -10 dBFS and more is 1
 */
export function levelOf(samples) {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const rms = Math.sqrt(sum / (samples.length || 1));
  if (rms <= 0) return 0;
  const decibels = 20 * Math.log10(rms);
  return Math.min(1, Math.max(0, (decibels + 60) / 50));
}

/** Measures one track while somebody looks. */
export class LevelMeter {
  /** @type {MediaStreamAudioSourceNode | null} */
  #source = null;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;

  /**
   * @param {AudioContext} context
   * @param {(level: number) => void} onLevel 0…1, 15 times a second
   */
  constructor(context, onLevel) {
    this.context = context;
    this.onLevel = onLevel;
    this.analyser = context.createAnalyser();
    this.analyser.fftSize = 1024;
    this.samples = new Float32Array(this.analyser.fftSize);
  }

  /** @param {MediaStreamTrack | null} track null measures silence */
  measure(track) {
    this.#source?.disconnect();
    this.#source = null;
    clearInterval(this.#timer);
    this.onLevel(0);
    if (!track) return;
    this.#source = this.context.createMediaStreamSource(new MediaStream([track]));
    this.#source.connect(this.analyser);
    this.#timer = setInterval(() => {
      this.analyser.getFloatTimeDomainData(this.samples);
      this.onLevel(levelOf(this.samples));
    }, 66);
  }
}
