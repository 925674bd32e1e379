// The labeling calls. An answer is {status, body}; no answer at all is a NetworkError.

export class NetworkError extends Error {}

const PAUSES_MS = [1000, 2000, 4000, 8000];

async function call(method, url, body, headers = {}) {
  let response;
  try {
    response = await fetch(url, {
      method,
      headers: { "Content-Type": "application/json", Accept: "application/json", ...headers },
      body: JSON.stringify(body),
    });
  } catch (cause) {
    throw new NetworkError("The server cannot be reached.", { cause });
  }
  return { status: response.status, body: await response.json().catch(() => ({})) };
}

// The same key each time: a ranking that did arrive is not stored twice.
export async function putRanking(taskId, key, body, onRetry) {
  for (const pause of PAUSES_MS) {
    try {
      return await call("PUT", `/api/v1/tasks/${taskId}/ranking`, body, { "Idempotency-Key": key });
    } catch (error) {
      if (!(error instanceof NetworkError)) {
        throw error;
      }
      onRetry();
      await new Promise((resolve) => { setTimeout(resolve, pause); });
    }
  }
  return call("PUT", `/api/v1/tasks/${taskId}/ranking`, body, { "Idempotency-Key": key });
}

export function postHeartbeat(taskId, leaseToken) {
  return call("POST", `/api/v1/tasks/${taskId}/heartbeat`, { lease_token: leaseToken });
}

export function postSkip(taskId, leaseToken, reason, note) {
  const body = { lease_token: leaseToken, reason, ...(note && { note }) };
  return call("POST", `/api/v1/tasks/${taskId}/skip`, body);
}
