// @ts-check
// The keys that work on this page.
import { show } from "../view/dialogs.js";
import { h } from "../view/dom.js";
import { activeShortcuts, enableShortcuts, shortcutsEnabled } from "../view/shortcuts.js";

/** Show them, and let the user turn them off. */
export function openShortcuts() {
  const toggle = h("input", {
    type: "checkbox",
    checked: shortcutsEnabled(),
    onchange: () => enableShortcuts(toggle.checked),
  });
  show("Keyboard shortcuts", [
    h(
      "table",
      {},
      h(
        "tbody",
        {},
        activeShortcuts().map(({ keys, words }) =>
          h(
            "tr",
            {},
            h(
              "th",
              { scope: "row" },
              keys
                .split(" ")
                .flatMap((key, place) => [place > 0 && " then ", h("kbd", {}, key === " " ? "space" : key)]),
            ),
            h("td", {}, words),
          ),
        ),
      ),
    ),
    h("label", { class: "check" }, toggle, "Listen to these keys"),
  ]);
}
