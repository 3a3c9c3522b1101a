// Lays out large graphs beside the page, with the same code.
import init, { arrange } from "./scope.js";

const ready = init({ module_or_path: new URL("./scope_bg.wasm", import.meta.url) });

self.onmessage = async ({ data: { turn, edges, parts, manner, screen } }) => {
  await ready;
  const places = arrange(edges, parts, manner, screen);
  self.postMessage({ turn, places }, [places.buffer]);
};
