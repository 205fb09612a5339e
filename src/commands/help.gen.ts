/** Made by `npm run gen` from the commands and the error table; not edited by hand. */

export const VERSION: string = '0.1.0';

export const COMMANDS: readonly {
  readonly name: string;
  readonly aliases: readonly string[];
}[] = [
  {
    name: 'info',
    aliases: [],
  },
  {
    name: 'generate',
    aliases: ['run'],
  },
  {
    name: 'plan',
    aliases: [],
  },
  {
    name: 'deploy',
    aliases: [],
  },
  {
    name: 'bench',
    aliases: [],
  },
  {
    name: 'ps',
    aliases: [],
  },
  {
    name: 'stop',
    aliases: [],
  },
  {
    name: 'list',
    aliases: ['ls'],
  },
  {
    name: 'show',
    aliases: [],
  },
  {
    name: 'engines',
    aliases: [],
  },
  {
    name: 'doctor',
    aliases: [],
  },
  {
    name: 'convert',
    aliases: [],
  },
  {
    name: 'config',
    aliases: [],
  },
];

export const HELP: string = [
  'HyperLlama 0.1.0: the right LLM inference engine for this machine, model and workload',
  '',
  'Usage: hyperllama COMMAND [options]',
  '',
  '  info                           this machine, the engines it can run, and which it would get',
  '  generate <model> [prompt...]   answer one prompt with the right engine',
  '  plan <model>                   the engine this model would get, why, and its exact command line',
  '  deploy <model>                 one address in front of several engines, here or on many machines',
  '  bench <model> [prompt...]      time one prompt, over and over, on the engine it would get',
  '  ps                             what runs',
  '  stop [session...]              end what runs',
  '  list                           models on this machine',
  '  show <model>                   what a model is',
  '  engines                        engine environments: list, install, verify, update, remove',
  '  doctor                         what is wrong, why, and the command that mends it',
  "  convert <model>                write a GGUF model's weights in another format",
  '  config                         settings and where they come from',
  '',
  '  --json        one JSON object on stdout, for every command',
  '  --quiet       the answer only',
  '  --verbose     say what is done and why',
  '  --version     the version',
  '  --help        this text, or the help of a command',
  '',
  '  hyperllama help exit-codes   what the exit codes mean',
  '',
  'Try: hyperllama generate smollm2:135m "Why is the sky blue?"',
  '',
].join('\n');

export const EXIT_CODES: string = [
  'Exit codes',
  '',
  '    0  all went well',
  '    1  the machine, the model or the request stood in the way',
  '       HL_NODES_UNUSABLE HL_PYTHON_MISSING HL_PYTHON_TOO_OLD HL_PYTHON_TOO_NEW HL_DISK_FULL HL_STATE_UNWRITABLE HL_MODEL_FORMAT_UNSUPPORTED HL_MODEL_CORRUPT HL_DOWNLOAD_FAILED HL_CONVERSION_FAILED HL_REQUEST_INVALID HL_CONTEXT_EXCEEDED',
  '    2  the command was used wrongly, or a configuration file is wrong',
  '       HL_OPTION_INVALID HL_USAGE HL_COMMAND_UNKNOWN HL_CONFIG_INVALID HL_NODES_INVALID HL_ENGINE_UNKNOWN HL_SESSION_NOT_FOUND',
  '    3  it does not fit: no engine can serve this model on this machine',
  '       HL_NO_ENGINE_FITS HL_PLACE_NEEDED HL_ENGINE_UNUSABLE',
  '    5  the model was not found',
  '       HL_MODEL_NOT_FOUND HL_MODEL_NOT_LOCAL HL_SERVER_MODEL_UNKNOWN',
  '    6  the engine: not installed, did not start, or ended',
  '       HL_ENGINE_NOT_DRIVEN HL_ENGINE_NOT_INSTALLED HL_CONSENT_NEEDED HL_ENGINE_INSTALL_FAILED HL_ENGINE_GPU_BUILD_MISSING HL_ENGINE_UPDATE_REFUSED HL_ENGINE_NO_PREVIOUS HL_ENGINE_IN_USE HL_ENGINE_START_TIMEOUT HL_ENGINE_EXITED HL_ENGINE_OUT_OF_MEMORY HL_ENGINE_PORT_BUSY HL_ENGINE_UNRESPONSIVE HL_ENGINE_PROTOCOL HL_SERVER_UNREACHABLE HL_SERVER_UNAUTHORIZED',
  '    7  the network is needed and cannot be reached',
  '       HL_OFFLINE',
  '   70  a bug in HyperLlama',
  '       HL_INTERNAL',
  '  130  cancelled by Ctrl-C',
  '       HL_CANCELLED',
  '',
].join('\n');
