/** Refusals that may come without a hint, and why nothing can be suggested. */
export const WITHOUT_HINT: Readonly<Record<string, string>> = {
  'platform-unsupported':
    'another operating system is no suggestion, but for Windows there is WSL2',
  'architecture-unsupported': 'the processor is what it is',
  'architecture-unknown': 'the engine would have to learn the model family',
  'device-unsupported': 'the machine lacks the device the engine computes on',
  'isa-missing': 'the processor is what it is',
  'compute-capability-too-low': 'the card is what it is',
  'gfx-unsupported': 'the card is what it is',
  'need-unsupported': 'the engine would have to learn it; another engine is chosen instead',
  'single-machine': 'the engine is made for several machines',
  'card-class-unsupported': 'the cards are what they are',
  'format-unsupported': 'the engine loads nothing on this device, whatever the format',
  'adapter-format': 'no converter from GGUF to PEFT is known',
  'no-gpu': 'there is no GPU to compute on',
};
