// What the server runs, and how it fares.

import { LiveMetrics } from "./live-metrics.tsx";
import { ModelCard } from "./model-card.tsx";
import { McpCard } from "../mcp/server-card.tsx";

export function OverviewTab() {
  return (
    <div className="board-stack">
      <ModelCard />
      <McpCard />
      <LiveMetrics />
    </div>
  );
}
