// The renderer's entry: connects, loads what the first frame needs, mounts the shell.
import "./platform/zodConfig.ts";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app/App.tsx";
import { ErrorBoundary } from "./app/ErrorBoundary.tsx";
import { startStores } from "./app/startStores.ts";
import "./ui/app.css";

const root = document.getElementById("root");
if (root === null) throw new Error("The page has no #root element.");

startStores();
createRoot(root).render(
  <StrictMode>
    <ErrorBoundary>
      <App />
    </ErrorBoundary>
  </StrictMode>,
);
