// A fault in drawing must not cost the user their words: they are in the database, and a reload shows them again.
import { Component, type ErrorInfo, type ReactNode } from "react";
import { t } from "../i18n/texts.ts";
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
        <h1 className="text-xl font-semibold">{t("app.drawFailed")}</h1>
        <p className="max-w-prose text-muted">{t("app.drawFailedSafe", { cause: error.message })}</p>
        <div className="flex gap-2">
          <Button look="primary" onClick={() => window.location.reload()}>
            {t("app.reload")}
          </Button>
          <Button onClick={() => void navigator.clipboard.writeText(error.stack ?? error.message)}>
            {t("ui.copyDetails")}
          </Button>
        </div>
      </main>
    );
  }
}
