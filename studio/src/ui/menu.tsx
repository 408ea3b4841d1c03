// A menu behind a button: arrow keys move, Enter chooses, Escape and a click elsewhere close.
//
// It is a popover of the browser, so no parent clips it; its place is computed when it opens.

import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from "react";

export interface MenuItem {
  readonly label: string;
  readonly icon?: ReactNode;
  readonly onChoose: () => void;
  readonly isDanger?: boolean;
  readonly isChecked?: boolean;
}

export interface MenuProps {
  /** Gets the attributes that make it the menu's button. */
  readonly button: (attributes: {
    readonly "aria-haspopup": "menu";
    readonly "aria-expanded": boolean;
    readonly onClick: () => void;
    readonly ref: (element: HTMLButtonElement | null) => void;
  }) => ReactNode;
  readonly items: readonly (MenuItem | "line")[];
}

const GAP = 6;

export function Menu({ button, items }: MenuProps) {
  const [isOpen, setOpen] = useState(false);
  const trigger = useRef<HTMLButtonElement | null>(null);
  const list = useRef<HTMLDivElement>(null);
  const id = useId();

  useEffect(() => {
    const menu = list.current;
    if (!isOpen || menu === null || trigger.current === null) return;
    menu.showPopover();
    placeBeside(menu, trigger.current);
    itemsOf(menu)[0]?.focus();
  }, [isOpen]);

  const choose = (item: MenuItem): void => {
    list.current?.hidePopover();
    item.onChoose();
  };

  return (
    <>
      {button({
        "aria-haspopup": "menu",
        "aria-expanded": isOpen,
        onClick: () => setOpen(!isOpen),
        ref: (element) => (trigger.current = element),
      })}
      {isOpen && (
        <div
          ref={list}
          id={id}
          role="menu"
          tabIndex={-1}
          className="menu"
          popover="auto"
          onKeyDown={moveFocus}
          onToggle={(event) => {
            if (event.newState !== "closed") return;
            setOpen(false);
            trigger.current?.focus();
          }}
        >
          {items.map((item, i) =>
            item === "line" ? (
              <hr key={i} />
            ) : (
              <button
                key={i}
                type="button"
                role={item.isChecked === undefined ? "menuitem" : "menuitemradio"}
                aria-checked={item.isChecked}
                tabIndex={-1}
                className={item.isDanger === true ? "menu-item is-danger" : "menu-item"}
                onClick={() => choose(item)}
              >
                <span className="menu-icon">{item.icon}</span>
                {item.label}
              </button>
            ),
          )}
        </div>
      )}
    </>
  );
}

function placeBeside(menu: HTMLElement, trigger: HTMLElement): void {
  const at = trigger.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const left = Math.min(at.left, innerWidth - width - GAP);
  const isBelow = at.bottom + GAP + height < innerHeight || at.top < height;
  menu.style.left = `${Math.max(GAP, left)}px`;
  menu.style.top = `${Math.max(GAP, isBelow ? at.bottom + GAP : at.top - height - GAP)}px`;
}

function itemsOf(menu: HTMLElement): readonly HTMLElement[] {
  return [...menu.querySelectorAll<HTMLElement>(".menu-item")];
}

function moveFocus(event: KeyboardEvent<HTMLElement>): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  const items = itemsOf(event.currentTarget);
  const at = items.indexOf(document.activeElement as HTMLElement);
  items[(at + step + items.length) % items.length]?.focus();
}
