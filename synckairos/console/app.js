// @ts-check
// The frame around all pages: navigation, the state of the stream, keys, and who calls.

import { openSettings } from "./components/settings_dialog.js";
import { openShortcuts } from "./components/shortcuts_dialog.js";
import { feed, serverTime } from "./live/page_services.js";
import { AuditPage } from "./pages/audit_page.js";
import { CreatePage } from "./pages/create_page.js";
import { OverviewPage } from "./pages/overview_page.js";
import { PlaygroundPage } from "./pages/playground_page.js";
import { SessionPage } from "./pages/session_page.js";
import { SessionsPage } from "./pages/sessions_page.js";
import { announce, announcements } from "./view/announce.js";
import { h, setText, svg } from "./view/dom.js";
import { currentPlace, go, href } from "./view/router.js";
import { addShortcuts } from "./view/shortcuts.js";
import { applyTheme, nextTheme } from "./view/theme.js";

/** @typedef {import("./view/router.js").Page} Page */
/** @typedef {import("./view/router.js").Place} Place */

/** @type {[string, string, string][]} path, words, key */
const SECTIONS = [
  ["", "Overview", "o"],
  ["sessions", "Sessions", "l"],
  ["create", "Create", "c"],
  ["audit", "Audit", "a"],
  ["playground", "Time controls", "p"],
];

const navigation = h(
  "nav",
  { class: "sections", "aria-label": "Sections" },
  SECTIONS.map(([path, words]) => h("a", { href: href(path ? [path] : []), "data-section": path }, words)),
);
const main = h("main", { id: "content", tabindex: "-1" });
const feedState = h(
  "span",
  { class: "feed", role: "status", "data-state": "idle" },
  h("span", { class: "feed-dot" }),
  h("span", { class: "feed-words" }),
);
const clockState = h("span", { class: "figures" }, "Measuring the server\u2019s clock");

/** @param {string} name @param {string} path @param {() => void} act @param {string} [id] */
function tool(name, path, act, id) {
  const picture = svg(
    "svg",
    {
      viewBox: "0 0 24 24",
      fill: "none",
      stroke: "currentColor",
      "stroke-width": "1.8",
      "stroke-linecap": "round",
      "stroke-linejoin": "round",
      "aria-hidden": "true",
    },
    svg("path", { d: path }),
  );
  return h(
    "button",
    { type: "button", class: "plain icon", "aria-label": name, title: name, onclick: act, id },
    picture,
  );
}

const header = h(
  "header",
  { class: "top" },
  h(
    "div",
    { class: "top-inner" },
    h(
      "a",
      { class: "brand", href: "#/", "aria-label": "SyncKairos, overview" },
      svg(
        "svg",
        {
          viewBox: "0 0 24 24",
          fill: "none",
          stroke: "currentColor",
          "stroke-width": "2",
          "stroke-linecap": "round",
          "stroke-linejoin": "round",
          "aria-hidden": "true",
        },
        svg("circle", { cx: "12", cy: "12", r: "9.5" }),
        svg("path", { d: "M12 6.5V12l4 2.5" }),
      ),
      "SyncKairos",
    ),
    navigation,
    h(
      "div",
      { class: "tools" },
      feedState,
      tool(
        "Who calls: token, API key, name",
        "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM4 20c1-4 4-5.5 8-5.5s7 1.5 8 5.5",
        openSettings,
        "settings",
      ),
      tool("Dark or light", "M20 14.5A8 8 0 0 1 9.5 4a8 8 0 1 0 10.5 10.5Z", changeTheme),
      tool("Keyboard shortcuts", "M9.5 9a2.6 2.6 0 1 1 3.6 2.4c-.8.4-1.1.9-1.1 1.8M12 17h.01", openShortcuts),
    ),
  ),
);

function changeTheme() {
  announce(`Colours: ${nextTheme()}`);
}

/** @param {Place} place @returns {Page} */
function pageAt({ path: [section = "", id = "", part = ""], query }) {
  if (section === "sessions") return id ? new SessionPage(id) : new SessionsPage(query);
  if (section === "create") return new CreatePage(query);
  if (section === "audit") return new AuditPage(id, part, query);
  if (section === "playground") return new PlaygroundPage(query);
  return new OverviewPage();
}

let isFirst = true;

function showPage() {
  const place = currentPlace();
  const page = pageAt(place);
  main.replaceChildren(page);
  const section = place.path[0] ?? "";
  for (const link of navigation.querySelectorAll("a")) {
    if (link.dataset["section"] === section) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const heading = main.querySelector("h1");
  document.title = `${heading?.textContent || "Overview"} \u00b7 SyncKairos`;
  if (isFirst) isFirst = false;
  else {
    scrollTo(0, 0);
    heading?.setAttribute("tabindex", "-1");
    heading?.focus();
  }
}

const FEED_WORDS = { idle: "Idle", connecting: "Connecting", live: "Live", waiting: "Reconnecting" };

function showFeed() {
  feedState.dataset["state"] = feed.state;
  feedState.title = feed.problem;
  const words = feedState.querySelector(".feed-words");
  if (words) setText(words, FEED_WORDS[feed.state]);
}

function showClock() {
  const { uncertaintyMs, offsetMs } = serverTime;
  setText(
    clockState,
    uncertaintyMs === Infinity
      ? "The server\u2019s clock is not known yet"
      : `Server clock ${offsetMs >= 0 ? "+" : "\u2212"}${Math.abs(offsetMs).toFixed(1)} ms, \u00b1${uncertaintyMs.toFixed(1)} ms`,
  );
}

applyTheme();
document.body.append(
  h(
    "a",
    {
      class: "skip",
      href: "#content",
      onclick: (/** @type {Event} */ event) => {
        event.preventDefault();
        main.focus();
      },
    },
    "Skip to the content",
  ),
  header,
  main,
  h(
    "footer",
    { class: "foot" },
    h(
      "div",
      { class: "foot-inner" },
      clockState,
      h("span", {}, "Times are shown in this browser\u2019s zone"),
      h("span", {}, "Press ", h("kbd", {}, "?"), " for keys"),
    ),
  ),
  ...announcements,
);
feed.addEventListener("state", showFeed);
serverTime.addEventListener("change", showClock);
addEventListener("hashchange", showPage);
addShortcuts([
  ...SECTIONS.map(([path, words, key]) => ({
    keys: `g ${key}`,
    words: `Go to ${words}`,
    act: () => go(href(path ? [path] : [])),
  })),
  { keys: "t", words: "Dark or light", act: changeTheme },
  { keys: "?", words: "These keys", act: openShortcuts },
]);
showFeed();
showPage();
serverTime.start();
