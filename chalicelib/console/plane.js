// The plane's API, as a page asks it: by the cookie, and with the token that another site's page does not have.

// Below API Gateway's own names the plane has a stage in its path, so no address begins with a slash.
const root = new URL("..", import.meta.url);

let csrfToken = null;

// What the plane refused, in its own words.
export class Refusal extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

// Asks a route. Returns the answer's JSON, or throws a Refusal.
export async function ask(method, path, body) {
  const headers = {};
  if (body !== undefined) headers["content-type"] = "application/json";
  if (csrfToken !== null) headers["x-csrf-token"] = csrfToken;
  const sent = { method, headers, credentials: "same-origin", cache: "no-store", redirect: "error" };
  if (body !== undefined) sent.body = JSON.stringify(body);
  let response;
  try {
    response = await fetch(new URL(path, root), sent);
  } catch {
    throw new Refusal(0, "unreachable", "The plane could not be reached. Look at your network and try again.");
  }
  const answer = await response.json().catch(() => null);
  if (response.ok && answer !== null) return answer;
  const { code, message } = answer?.error ?? {};
  throw new Refusal(response.status, code ?? "unknown", message ?? `The plane answered with ${response.status}.`);
}

// Signs the browser in by a key, which nothing keeps. Returns who that is.
export async function signIn(key) {
  csrfToken = (await ask("POST", "v1/login", { key })).csrf_token;
  return ask("GET", "v1/me");
}

// Who is signed in already, or null.
export async function signedIn() {
  try {
    csrfToken = (await ask("GET", "v1/login")).csrf_token;
    return await ask("GET", "v1/me");
  } catch (refusal) {
    if (refusal.status !== 401) throw refusal;
    csrfToken = null;
    return null;
  }
}

export async function signOut() {
  await ask("DELETE", "v1/login");
  csrfToken = null;
}
