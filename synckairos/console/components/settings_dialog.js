// @ts-check
// Who calls: kept in memory until the page is closed or loaded anew.

import { feed } from "../live/page_services.js";
import { currentCredentials, setCredentials } from "../rpc/credentials.js";
import { toast } from "../view/announce.js";
import { ask } from "../view/dialogs.js";
import { field, h } from "../view/dom.js";

/** Ask for a token, an API key and a name. */
export function openSettings() {
  const { token, apiKey, actor } = currentCredentials();
  const secret = { type: "password", autocomplete: "off", spellcheck: "false" };
  const inputs = {
    actor: h("input", { name: "actor", value: actor, maxlength: "128", autocomplete: "off", placeholder: "console" }),
    token: h("input", { name: "token", value: token, ...secret }),
    apiKey: h("input", { name: "api_key", value: apiKey, ...secret }),
  };
  ask({
    title: "Who calls",
    text: "Kept in this page\u2019s memory only: no cookie, no storage. Loading the page anew forgets them.",
    confirm: "Use",
    beginsWithFields: true,
    fields: [
      field("Your name", inputs.actor, { hint: "Sent as x-actor: events and the audit trail name it." }),
      field("Token", inputs.token, { hint: "Sent as authorization: Bearer \u2026" }),
      field("API key", inputs.apiKey, { hint: "Sent as x-api-key." }),
    ],
    act: async () => {
      setCredentials({
        actor: inputs.actor.value.trim(),
        token: inputs.token.value.trim(),
        apiKey: inputs.apiKey.value.trim(),
      });
      feed.reconnect();
      toast("Calls are made with these from now on.");
    },
  });
}
