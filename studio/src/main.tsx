// Starts the page.

import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/ui.css";
import "./styles/fields.css";
import "./styles/overlays.css";
import "./styles/shell.css";
import "./styles/chat.css";
import "./styles/conversation-list.css";
import "./styles/thread.css";
import "./styles/answer-parts.css";
import "./styles/composer.css";
import "./styles/panel.css";
import "./styles/prose.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app.tsx";

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <App />
  </StrictMode>,
);

// Developing, files change under a worker's feet.
if (import.meta.env.PROD && "serviceWorker" in navigator)
  addEventListener("load", () => void navigator.serviceWorker.register("/sw.js").catch(console.warn));
