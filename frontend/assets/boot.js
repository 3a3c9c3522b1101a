import init from "./scope.js";

const url = new URL("./scope_bg.wasm", import.meta.url);
init({ module_or_path: url }).catch((error) => {
  const note = document.getElementById("loading");
  if (note) note.textContent = `Scope's page could not start: ${error}. Reload it; if that does not help, this browser lacks WebAssembly.`;
});
