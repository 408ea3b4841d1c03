// Builds the studio into dist/studio of the project, which the server shows at `/`.
//
// Everything is bundled, fonts included: the page works offline and asks nobody but its own server. For work on the
// page, `npm run dev -w studio` serves the sources, with the API of a `mimo serve` that runs beside it.

import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const API = "http://127.0.0.1:9001";

/** KaTeX comes with each font in three formats, and every browser that can show this page reads the first. */
function onlyModernFonts(): Plugin {
  return {
    name: "only-modern-fonts",
    enforce: "pre",
    transform: (code, id) =>
      id.endsWith("katex.min.css") ? code.replace(/,url\([^)]*\) format\("(?:woff|truetype)"\)/g, "") : undefined,
  };
}

export default defineConfig({
  plugins: [react(), onlyModernFonts()],
  root: import.meta.dirname,
  build: {
    outDir: "../dist/studio",
    emptyOutDir: true,
    target: "es2023",
    // Images of data: would be a second place to look for in the policy of the page.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 3000,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: { "/v1": API, "/health": API, "/metrics": API } },
});
