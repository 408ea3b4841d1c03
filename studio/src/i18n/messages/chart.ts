// Charts, and quantities that several pages show.

import type { Messages } from "./messages.ts";

export const chart = {
  "chart.table": ["Table", "表格"],
  "chart.lines": ["Lines of “{title}”", "“{title}”的曲线"],
  "chart.empty": ["Nothing was measured yet.", "暂无数据。"],
  "chart.time": ["Time", "时间"],
  "ago.seconds": ["{n} s ago", "{n} 秒前"],
  "ago.minutes": ["{n} min ago", "{n} 分钟前"],
  "ago.hours": ["{n} h ago", "{n} 小时前"],
  "ago.days": ["{n} {n|day|days} ago", "{n} 天前"],
} as const satisfies Messages;
