// A fault in drawing must not cost the user their words: they are in the database, and a reload shows them again.
import { Component, type ErrorInfo, type ReactNode } from "react";
import { Button } from "../ui/Button.tsx";

interface State {
  readonly error: Error | null;
}

export class ErrorBoundary extends Component<{ readonly children: ReactNode }, State> {
  override state: State = { error: null };

  static getDerivedStateFromError(error: Error): State {
    return { error };
  }

  override componentDidCatch(error: Error, where: ErrorInfo): void {
    console.error(error, where.componentStack);
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (error === null) return this.props.children;
    return (
      <main role="alert" className="flex h-full flex-col items-center justify-center gap-4 p-8">
        <h1 className="text-xl font-semibold">The window could not be drawn</h1>
        <p className="max-w-prose text-muted">{error.message}. Your conversations are safe.</p>
        <div className="flex gap-2">
          <Button look="primary" onClick={() => window.location.reload()}>
            Reload the window
          </Button>
          <Button onClick={() => void navigator.clipboard.writeText(error.stack ?? error.message)}>Copy details</Button>
        </div>
      </main>
    );
  }
}
