// MCP servers and their tools.

import type { Messages } from "./messages.ts";

export const mcp = {
  "mcp.title": ["MCP servers", "MCP 服务器"],
  "mcp.server": ["Tools of {name}", "{name} 的工具"],
  "mcp.tools": ["{n} {n|tool|tools}", "{n} 个工具"],
  "mcp.stdio": ["a process", "本地进程"],
  "mcp.http": ["over HTTP", "HTTP 连接"],
  "mcp.stopped": ["Stopped", "已停止"],
  "mcp.starting": ["Starting…", "启动中…"],
  "mcp.ready": ["Ready", "就绪"],
  "mcp.failed": ["Failed", "失败"],
  "mcp.missing": ["This tool is not there now.", "此工具当前不可用。"],
  "mcp.calling": ["Running…", "运行中…"],
  "mcp.always": ["Run {name} without asking", "自动运行 {name}"],
} as const satisfies Messages;
