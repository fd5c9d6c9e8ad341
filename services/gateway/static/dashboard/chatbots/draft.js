// A chatbot as it is being changed: what differs is sent, and nothing is lost by walking away.
import { getTagged, patch } from "../core/api.js";
import { useLoad } from "../core/load.js";
import { leaving } from "../core/router.js";
import { putChatbot } from "../core/store.js";
import { useEffect, useMemo, useRef, useState } from "../core/ui.js";
import { confirm } from "../parts/dialog.js";
import { toast } from "../parts/toast.js";

/** @param {string} id */
export function useDraft(id) {
  const loaded = useLoad((signal) => getTagged(`chatbots/${id}`, signal), [id]);
  const [draft, set] = useState(/** @type {any} */ (null));
  const [state, tell] = useState(/** @type {{busy?: boolean, error?: any}} */ ({}));
  const etag = useRef("");
  const saved = loaded.data?.data;
  useEffect(() => {
    etag.current = loaded.data?.etag ?? "";
    set(saved ? structuredClone(saved) : null);
    tell({});
  }, [loaded.data]);
  const changes = useMemo(() => (draft && saved ? different(saved, draft) : {}), [draft, saved]);
  const dirty = Object.keys(changes).length > 0;
  useEffect(() => {
    leaving.ask = dirty ? leave : null;
    return () => void (leaving.ask = null);
  }, [dirty]);

  /** @param {string} path "personality.tone" @param {any} value */
  const change = (path, value) => set((/** @type {any} */ now) => {
    const [section, field] = path.split(".");
    return field ? { ...now, [section]: { ...now[section], [field]: value } } : { ...now, [section]: value };
  });

  async function save() {
    tell({ busy: true });
    try {
      const data = await patch(`chatbots/${id}`, changes, {
        headers: etag.current ? { "If-Match": etag.current } : {},
        heard: (response) => (etag.current = response.headers.get("ETag") ?? ""),
      });
      putChatbot(data);
      loaded.put({ data, etag: etag.current });
      toast("Saved. Visitors see it from their next page on.");
    } catch (error) {
      tell({ error });
    }
  }

  return {
    loaded, draft, dirty, change, save, ...state,
    discard: () => (set(structuredClone(saved)), tell({})),
    /** What is wrong with a field, as the server said it. @param {string} path */
    wrong: (path) => (state.error?.details?.field?.startsWith(path) ? state.error.message : undefined),
  };
}

const leave = () => confirm({ title: "Leave without saving?", text: "What you changed here is not saved yet.", action: "Leave", danger: true });

/** A merge patch from one to the other: sections by their fields. @param {any} before @param {any} after */
function different(before, after) {
  /** @type {Record<string, any>} */
  const found = {};
  for (const [name, value] of Object.entries(after)) {
    const was = before[name];
    if (JSON.stringify(was) === JSON.stringify(value)) continue;
    const nested = value && was && typeof value === "object" && !Array.isArray(value);
    found[name] = nested ? different(was, value) : value;
  }
  return found;
}
