/** placeholder until generated */
export const VERSION: string = '0.1.0';
export const COMMANDS: readonly { readonly name: string; readonly aliases: readonly string[] }[] = [
  'generate',
  'plan',
  'info',
  'ps',
  'stop',
  'list',
  'show',
  'engines',
  'doctor',
  'config',
  'bench',
].map((name) => ({ name, aliases: [] }));
export const HELP: string = '';
export const EXIT_CODES: string = '';
