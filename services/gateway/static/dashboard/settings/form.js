import { useState } from "../core/ui.js";

/**
 * A form's values, and how it is sent: busy meanwhile, and what went wrong.
 * @param {Record<string, any>} initial @param {(values: Record<string, any>) => Promise<any>} send
 */
export function useForm(initial, send) {
  const [values, set] = useState(initial);
  const [state, put] = useState(/** @type {{busy?: boolean, error?: any}} */ ({}));
  const submit = async (/** @type {Event | undefined} */ event) => {
    event?.preventDefault();
    put({ busy: true });
    try {
      await send(values);
      put({});
    } catch (error) {
      put({ error });
    }
  };
  return {
    values,
    set,
    /** @param {string} name */
    put: (name) => (/** @type {any} */ value) => set((now) => ({ ...now, [name]: value })),
    submit,
    ...state,
  };
}
