// @ts-check
// What the trail holds of a session as a whole, and its way back into the store.
import { change } from "../rpc/services.js";
import { toast } from "../view/announce.js";
import { ask } from "../view/dialogs.js";
import { choice, field, h } from "../view/dom.js";
import { dateTime, number, sessionName, title } from "../view/format.js";
import { go, href } from "../view/router.js";
import { statusPill } from "./session_table.js";

/** A card about it. @param {import("../rpc/contract.js").SessionAudit} audit */
export function auditSummary({ summary, eventCount, forkCount }) {
  const { session } = summary;
  return h(
    "section",
    { class: "card", "aria-label": "Summary" },
    h(
      "div",
      { class: "card-head" },
      h("h2", {}, sessionName(session), " ", statusPill(session.status)),
      h(
        "div",
        { class: "row" },
        !summary.isDeleted &&
          h("a", { class: "button", href: href(["sessions", session.sessionId]) }, "Open the session"),
        h("button", { type: "button", onclick: () => recover(session.sessionId) }, "Recover"),
      ),
    ),
    h(
      "dl",
      { class: "facts" },
      [
        ["Mode", title(session.mode, "MODE")],
        ["Events", `${number(eventCount)}${number(forkCount) ? `, ${number(forkCount)} of them forks` : ""}`],
        ["Cycles", String(number(summary.totalCycles))],
        ["Created", dateTime(session.createdAt)],
        ["Deleted", summary.isDeleted ? dateTime(summary.deletedAt) : "no"],
      ].flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
    ),
  );
}

/** Ask how, and bring it back. @param {string} sessionId */
function recover(sessionId) {
  const policy = choice({ name: "policy" }, [
    ["RECOVERY_POLICY_CONTINUE", "As if nothing had happened"],
    ["RECOVERY_POLICY_PAUSED", "Paused, as its last event left it"],
  ]);
  ask({
    title: "Recover this session?",
    text: "For a session that the store has lost. One that is there, was deleted or has ended is left as it is.",
    confirm: "Recover",
    fields: [
      field("A clock that ran goes on", policy),
      field("Reason", h("input", { name: "reason", maxlength: "200", autocomplete: "off" })),
    ],
    act: async (form) => {
      await change("RecoverSession", {
        sessionId,
        policy: policy.value,
        reason: String(new FormData(form).get("reason") ?? ""),
      });
      toast("The session is back.");
      go(href(["sessions", sessionId]));
    },
  });
}
