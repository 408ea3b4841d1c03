// Buttons: with text, with an icon and text, or with an icon alone, which then has a name for those who do not see it.

import type { ButtonHTMLAttributes, ReactNode, Ref } from "react";

export interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  readonly kind?: "plain" | "primary" | "quiet" | "danger";
  readonly size?: "small" | "normal";
  readonly icon?: ReactNode;
  readonly ref?: Ref<HTMLButtonElement> | undefined;
}

export function Button({ kind = "plain", size = "normal", icon, children, className, ...rest }: ButtonProps) {
  return (
    <button type="button" {...rest} className={`button button-${kind} button-${size} ${className ?? ""}`}>
      {icon}
      {children}
    </button>
  );
}

export interface IconButtonProps extends Omit<ButtonProps, "children" | "icon"> {
  readonly label: string;
  readonly icon: ReactNode;
  /** Of a button that stays down. */
  readonly isOn?: boolean;
}

export function IconButton({
  label,
  icon,
  isOn,
  kind = "quiet",
  size = "normal",
  className,
  ...rest
}: IconButtonProps) {
  return (
    <button
      type="button"
      title={label}
      aria-label={label}
      aria-pressed={isOn}
      {...rest}
      className={`button button-${kind} button-${size} icon-button ${className ?? ""}`}
    >
      {icon}
    </button>
  );
}
