// Validates custom resources (a JSON list on stdin) against their own schemas, strictly: a field
// that no schema looked at is an error too. Prints one line a problem; run by ../schemas.py.
const packages = {
  "external-secrets.io": "external-secrets",
  "gateway.networking.k8s.io": "gateway-api",
  "keda.sh": "keda",
  "monitoring.coreos.com": "prometheus-operator",
};

/** The value, with a note of every field that was read. */
function watched(value, path, unread) {
  if (value === null || typeof value !== "object") return value;
  const copy = Array.isArray(value) ? [] : {};
  for (const [key, inner] of Object.entries(value)) {
    const at = `${path}/${key}`;
    copy[key] = watched(inner, at, unread);
    if (!Array.isArray(value)) unread.add(at);
  }
  return new Proxy(copy, {
    get(target, key) {
      if (typeof key === "string") unread.delete(`${path}/${key}`);
      return target[key];
    },
  });
}

async function problems(resource) {
  const [group, version] = resource.apiVersion.split("/");
  const known = packages[group];
  if (!known) return [`no schema for ${resource.apiVersion}`];
  const models = await import(`@kubernetes-models/${known}/${group}/${version}`);
  const Model = models[resource.kind];
  if (!Model) return [`no schema for ${resource.apiVersion} ${resource.kind}`];
  const unread = new Set();
  const spec = watched(resource.spec, "/spec", unread);
  try {
    const model = new Model({ ...resource, spec: undefined });
    model.spec = spec; // the constructor copies, and would read everything
    model.validate();
  } catch (error) {
    return [error.message];
  }
  return [...unread].map((path) => `${path} is not a field`);
}

let text = "";
for await (const part of process.stdin) text += part;
let failed = false;
for (const resource of JSON.parse(text)) {
  for (const problem of await problems(resource)) {
    failed = true;
    console.log(`${resource.kind} ${resource.metadata.name}: ${problem}`);
  }
}
process.exit(failed ? 1 : 0);
