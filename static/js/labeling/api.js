// The labeling calls. An answer is {status, body}; no answer at all is a NetworkError.

export class NetworkError extends Error {}

const MAX_KEPT_ALIVE = 60_000; // Browsers allow 64 KiB for calls that outlive their page.

async function call(method, url, body, { headers = {}, signal } = {}) {
  const text = body === undefined ? undefined : JSON.stringify(body);
  let response;
  try {
    response = await fetch(url, {
      method,
      headers: { "Content-Type": "application/json", Accept: "application/json", ...headers },
      body: text,
      signal,
      keepalive: text !== undefined && text.length < MAX_KEPT_ALIVE,
    });
  } catch (cause) {
    throw new NetworkError("The server cannot be reached.", { cause });
  }
  return { status: response.status, body: await response.json().catch(() => ({})) };
}

const task = (id, what) => `/api/v1/tasks/${id}/${what}`;

// The same key each time: a ranking that did arrive is not stored twice.
export function putRanking(taskId, key, body) {
  return call("PUT", task(taskId, "ranking"), body, { headers: { "Idempotency-Key": key } });
}

export function postHeartbeat(taskId, leaseToken) {
  return call("POST", task(taskId, "heartbeat"), { lease_token: leaseToken });
}

export function postLostLease(taskId, displayOrder) {
  return call("POST", task(taskId, "lease"), { display_order: displayOrder });
}

export function postSkip(taskId, leaseToken, reason, note) {
  return call("POST", task(taskId, "skip"), { lease_token: leaseToken, reason, ...(note && { note }) });
}

export function postReport(taskId, kind, response, note) {
  return call("POST", task(taskId, "report"), { kind, ...(response && { response }), ...(note && { note }) });
}

export function putDraft(taskId, baseVersion, body) {
  return call("PUT", task(taskId, "draft"), { base_version: baseVersion, body });
}

export function getDraft(taskId) {
  return call("GET", task(taskId, "draft"));
}

export function getDifferences(taskId, left, right) {
  return call("GET", task(taskId, `differences?left=${left}&right=${right}`));
}

export function postEvents(taskId, visit, events) {
  return call("POST", task(taskId, "events"), { visit, events });
}

export function getPreferences() {
  return call("GET", "/api/v1/me/preferences");
}

export function putPreferences(preferences) {
  return call("PUT", "/api/v1/me/preferences", preferences);
}

// The next task as HTML, leased ahead of time; null when there is none. `beside` are the tasks to leave out.
export async function postAhead(slug, beside) {
  const query = beside.map((id) => `beside=${id}`).join("&");
  let response;
  try {
    response = await fetch(`/projects/${slug}/label/ahead?${query}`, { method: "POST", headers: { Accept: "text/html" } });
    return response.status === 200 && !response.redirected ? await response.text() : null;
  } catch (cause) {
    throw new NetworkError("The server cannot be reached.", { cause });
  }
}
