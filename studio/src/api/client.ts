// Requests to the server that this page came from, with the API key where there is one.
//
// A server that wants a key answers 401: then the page asks its reader once, however many requests wait for it, and
// sends them again. Errors have the server's own words.

import { readSetting, writeSetting } from "../store/local.ts";

export class ApiError extends Error {
  /** Of HTTP; 0 where no answer came. */
  readonly status: number;
  readonly code: string | undefined;
  /** The field that is to blame. */
  readonly param: string | undefined;

  constructor(status: number, message: string, { code, param }: Partial<Pick<ApiError, "code" | "param">> = {}) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.param = param;
  }
}

/** Gives a key, or undefined where the reader has none. */
type AskForKey = (wasRefused: boolean) => Promise<string | undefined>;

let askForKey: AskForKey = () => Promise.resolve(undefined);
let asking: Promise<string | undefined> | undefined;

export function onKeyNeeded(ask: AskForKey): void {
  askForKey = ask;
}

export function apiKey(): string | undefined {
  return readSetting("api-key");
}

export function forgetKey(): void {
  writeSetting("api-key", undefined);
}

export interface ApiRequest {
  readonly method?: "GET" | "POST" | "DELETE";
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/** Throws `ApiError`, and what `fetch` throws for a request that was aborted. */
export async function request(path: string, options: ApiRequest = {}): Promise<Response> {
  const key = apiKey();
  const response = await send(path, options, key);
  if (response.status !== 401) return checked(response);
  // Another request may have been given a key meanwhile.
  const newKey = apiKey() === key ? await newApiKey(key !== undefined) : apiKey();
  return checked(newKey === undefined ? response : await send(path, options, newKey));
}

export async function requestJson<T>(path: string, options: ApiRequest = {}): Promise<T> {
  return (await (await request(path, options)).json()) as T;
}

async function newApiKey(wasRefused: boolean): Promise<string | undefined> {
  asking ??= askForKey(wasRefused).finally(() => (asking = undefined));
  const key = await asking;
  if (key !== undefined) writeSetting("api-key", key);
  return key;
}

async function send(path: string, options: ApiRequest, key: string | undefined): Promise<Response> {
  const { method = "GET", body, headers = {}, signal } = options;
  const authorization: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const contentType: Record<string, string> = body === undefined ? {} : { "content-type": "application/json" };
  try {
    return await fetch(path, {
      method,
      headers: { ...contentType, ...authorization, ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    if (signal?.aborted === true) throw error;
    throw new ApiError(0, error instanceof Error ? error.message : String(error), { code: "unreachable" });
  }
}

async function checked(response: Response): Promise<Response> {
  if (response.ok) return response;
  const fallback = `${response.status} ${response.statusText}`;
  const body: unknown = await response.json().catch(() => undefined);
  const error = (body as { error?: { message?: unknown; code?: unknown; param?: unknown } } | undefined)?.error;
  const message = typeof error?.message === "string" ? error.message : fallback;
  const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
  throw new ApiError(response.status, message, { code: textOf(error?.code), param: textOf(error?.param) });
}
