// The coding agents that `mimo launch` can start, and what each must be told to talk to a server of ours.
//
// All of it goes into the environment of that one process and into a folder that is deleted afterwards. Refuses to know
// how programs are started.

/** The server as a client sees it. */
export interface Endpoint {
  /** Without /v1. */
  readonly url: string;
  readonly key: string;
  readonly model: string;
  /** Tokens that prompt and answer may have together. */
  readonly contextLength: number;
}

export interface ClientSetup {
  /** Variables to set; undefined takes one away. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Files to write into the temporary folder, by name. */
  readonly files: Readonly<Record<string, string>>;
}

export interface Client {
  readonly program: string;
  /** What installs it. */
  readonly install: string;
  readonly setup: (endpoint: Endpoint, folder: string) => ClientSetup;
}

/** Longest answer that a client should ask for: a part of the context must be left for the conversation. */
const ANSWER_SHARE = 4;

export const CLIENTS = {
  claude: { program: "claude", install: "npm install -g @anthropic-ai/claude-code", setup: setUpClaude },
  codex: { program: "codex", install: "npm install -g @openai/codex", setup: setUpCodex },
  opencode: { program: "opencode", install: "npm install -g opencode-ai", setup: setUpOpencode },
} as const satisfies Readonly<Record<string, Client>>;

export type ClientName = keyof typeof CLIENTS;
export const CLIENT_NAMES = Object.keys(CLIENTS) as readonly ClientName[];

function setUpClaude({ url, key, model }: Endpoint): ClientSetup {
  return {
    variables: {
      ANTHROPIC_BASE_URL: url,
      ANTHROPIC_AUTH_TOKEN: key,
      // Another account's key would go before the token.
      ANTHROPIC_API_KEY: undefined,
      ANTHROPIC_MODEL: model,
      ANTHROPIC_DEFAULT_HAIKU_MODEL: model,
      ANTHROPIC_DEFAULT_SONNET_MODEL: model,
      ANTHROPIC_DEFAULT_OPUS_MODEL: model,
      // A line that changes with every request, at the head of the prompt, would make every prefix a new one.
      CLAUDE_CODE_ATTRIBUTION_HEADER: "0",
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    },
    files: {},
  };
}

function setUpCodex({ url, key, model, contextLength }: Endpoint, folder: string): ClientSetup {
  // JSON's strings are TOML's, too.
  const lines = [
    `model = ${JSON.stringify(model)}`,
    `model_provider = "mimo"`,
    `model_context_window = ${contextLength}`,
    ``,
    `[model_providers.mimo]`,
    `name = "mimo-flash"`,
    `base_url = ${JSON.stringify(`${url}/v1`)}`,
    `env_key = "MIMO_API_KEY"`,
    `wire_api = "responses"`,
  ];
  return {
    variables: { CODEX_HOME: folder, MIMO_API_KEY: key },
    files: { "config.toml": `${lines.join("\n")}\n` },
  };
}

function setUpOpencode({ url, key, model, contextLength }: Endpoint, folder: string): ClientSetup {
  const config = {
    $schema: "https://opencode.ai/config.json",
    autoupdate: false,
    share: "disabled",
    model: `mimo/${model}`,
    small_model: `mimo/${model}`,
    provider: {
      mimo: {
        npm: "@ai-sdk/openai-compatible",
        name: "mimo-flash",
        options: { baseURL: `${url}/v1`, apiKey: "{env:MIMO_API_KEY}" },
        models: {
          [model]: {
            name: model,
            tool_call: true,
            reasoning: true,
            limit: { context: contextLength, output: Math.floor(contextLength / ANSWER_SHARE) },
          },
        },
      },
    },
  };
  return {
    variables: { OPENCODE_CONFIG: `${folder}/opencode.json`, MIMO_API_KEY: key },
    files: { "opencode.json": `${JSON.stringify(config, null, 2)}\n` },
  };
}
