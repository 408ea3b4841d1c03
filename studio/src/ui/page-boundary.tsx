// Holds a page that fails apart from the others, and shows what it failed of.

import { Component, type ReactNode } from "react";
import { Button } from "./button.tsx";
import { text } from "../i18n/i18n.ts";

interface Props {
  readonly children: ReactNode;
}

interface State {
  readonly error?: Error;
}

export class PageBoundary extends Component<Props, State> {
  override state: State = {};

  static getDerivedStateFromError(error: Error): State {
    return { error };
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (error === undefined) return this.props.children;
    return (
      <div className="page-error" role="alert">
        <h1>{text("error.page")}</h1>
        <p>{error.message}</p>
        <Button onClick={() => this.setState({})}>{text("common.retry")}</Button>
      </div>
    );
  }
}
