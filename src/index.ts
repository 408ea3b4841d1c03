// The public interface of mimo-flash.

export { load, type LoadOptions } from "./api/load.ts";
export { convertCheckpoint, type ConvertOptions, type ConvertResult } from "./convert/convert.ts";
export { initCheckpoint, type InitOptions, type InitResult } from "./convert/init.ts";
export {
  Mimo,
  type AnswerDemands,
  type EvaluateOptions,
  type FetchStats,
  type Generation,
  type Matrix,
  type PrefixCacheStats,
  type RoutedExperts,
} from "./api/mimo.ts";
export type { CallValidation } from "./api/check-call.ts";
export type { ResponseFormat, ToolChoice } from "./api/constrain.ts";
export type {
  AnswerOptions,
  ChatOptions,
  CompleteOptions,
  GenerationOptions,
  SamplingDefaults,
} from "./api/request.ts";
export type {
  FinishDetail,
  FinishReason,
  GenerationEvent,
  ParsedToolCall,
  SpeculationUsage,
  TokenAlternative,
  TokenLogprobs,
  TokenText,
  Usage,
} from "./api/events.ts";
export type { ChatMessage, ChatRole, ChatToolCall, TextPart, ToolDefinition } from "./tokenizer/chat-request.ts";
export type { EncodedChat } from "./tokenizer/chat.ts";
export { SAMPLING_PRESETS, systemPrompt, type SystemPromptOptions } from "./tokenizer/system-prompt.ts";
export { Tokenizer } from "./tokenizer/tokenizer.ts";
export { openCheckpoint, type Checkpoint } from "./checkpoint/checkpoint.ts";
export type { TensorInfo } from "./checkpoint/tensor-info.ts";
export { MimoError, type ErrorCode } from "./util/errors.ts";
