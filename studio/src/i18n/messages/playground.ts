// The playground.

import type { Messages } from "./messages.ts";

export const playground = {
  "play.prompt": ["Prompt", "提示"],
  "play.prompt-hint": ["Ctrl Enter runs it, Esc stops it.", "Ctrl Enter 运行，Esc 停止。"],
  "play.run": ["Run", "运行"],
  "play.compare": ["Side by side", "并排比较"],
  "play.side": ["Side {name}", "{name} 侧"],
  "play.model": ["Model", "模型"],
  "play.code": ["Get code", "获取代码"],
  "play.empty": ["The answer comes here.", "回答将显示在这里。"],
  "play.answer": ["Answer", "回答"],
  "play.first-token": ["first token {ms} ms", "首个词元 {ms} 毫秒"],
  "play.demands": ["What the answer must be", "对回答的要求"],
  "play.format": ["Format", "格式"],
  "play.text": ["Text", "文本"],
  "play.json_object": ["JSON", "JSON"],
  "play.json_schema": ["JSON Schema", "JSON Schema"],
  "play.format-hint": [
    "Kept token by token. The model does not see the schema, so say in the prompt what is wanted.",
    "逐词元强制执行。模型看不到 schema，请在提示中说明需要什么。",
  ],
  "play.schema": ["JSON Schema of the answer", "回答的 JSON Schema"],
  "play.use-tools": ["The model may call tools", "允许模型调用工具"],
  "play.tools": ["Tools, as the API has them", "工具（API 格式）"],
  "play.tools-hint": [
    "Functions with a name, a description and a JSON Schema. Calls of a strict one always keep its schema.",
    "带名称、说明和 JSON Schema 的函数。strict 函数的调用始终符合其 schema。",
  ],
  "play.check": ["Check", "检查"],
  "play.tidy": ["Tidy", "整理"],
  "play.good": ["The server takes this.", "服务器接受。"],
  "play.no-json": ["Not valid: {why}", "无效：{why}"],
} as const satisfies Messages;
