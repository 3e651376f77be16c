// The page that connects a laptop: sign in, see which machine asks, approve or deny.
//
// A machine comes here in one of two ways. By browser: `moor setup` has opened this page, and waits on a loopback port
// for the browser to come back with a connect code (RFC 8252). By code: it has no browser, and shows a code that
// somebody types in here (RFC 8628). Whatever a machine says of itself is text and never markup.

import { ask, Refusal, signedIn, signIn, signOut } from "./plane.js";

const SECTIONS = ["sign-in", "code", "machine", "outcome"];
const LOOPBACK = ["127.0.0.1", "[::1]", "localhost"]; // RFC 8252, section 7.3.
const MAX_SHOWN = 255;

// What the API says to programs, said to people.
const AT_SIGN_IN = {
  unauthorized: "This key is unknown, was revoked or has expired.",
  wrong_principal: "This is no API key. Those begin with moor_ and are made by your team’s admins.",
  scope_missing: "This key may not read, so nobody is signed in by it.",
  bad_request: "This is no API key.",
};

const element = (id) => document.getElementById(id);

const query = new URLSearchParams(location.search);
const byCode = location.pathname.endsWith("/device");

let machine = null; // The one that asks: {hostname, os}, and what its kind needs to be answered.
let busy = false;

// ---- which machine asks

// What the address says of a machine that waits for this browser. Throws an Error with a sentence.
function machineOfAddress() {
  const state = query.get("state") ?? "";
  const challenge = query.get("code_challenge") ?? "";
  if (state.length < 8 || state.length > 256 || !/^[A-Za-z0-9_-]{43}$/.test(challenge)) {
    throw new Error("This address is not complete. Start moor setup again, and use the address as it prints it.");
  }
  const back = loopback(query.get("redirect_uri") ?? "");
  return { state, challenge, back, ...described(query.get("hostname"), query.get("os")) };
}

// Where the browser goes back to: a port of the machine it runs on, and nowhere else. Throws an Error with a sentence.
function loopback(text) {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isOurs = url?.protocol === "http:" && LOOPBACK.includes(url.hostname);
  if (!isOurs || url.username || url.password || url.hash) {
    throw new Error("This address would send your approval to another machine than the one you sit at. Do not use it.");
  }
  return url;
}

// What nobody has checked, without characters that would show as something else than they are.
function described(hostname, os) {
  const shown = (text) => (text ?? "").replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "").trim().slice(0, MAX_SHOWN) || "not told";
  return { hostname: shown(hostname), os: shown(os) };
}

async function find(userCode) {
  const found = await ask("POST", "v1/runtimes/find-device", { user_code: userCode });
  machine = { userCode: found.user_code, ...described(found.hostname, found.os) };
  element("shown-code").textContent = found.user_code;
  showMachine();
}

// ---- what is answered

async function approve() {
  if (byCode) {
    await ask("POST", "v1/runtimes/answer-device", { user_code: machine.userCode, decision: "approved" });
    conclude("Approved", `${machine.hostname} goes on by itself. You can close this page.`);
  } else {
    const asked = { state: machine.state, code_challenge: machine.challenge };
    const { code } = await ask("POST", "v1/runtimes/connect-runtime", asked);
    conclude("Approved", `Going back to ${machine.hostname}…`);
    goBack({ code });
  }
}

async function deny() {
  if (byCode) {
    await ask("POST", "v1/runtimes/answer-device", { user_code: machine.userCode, decision: "denied" });
    conclude("Denied", `${machine.hostname} was not connected. You can close this page.`);
  } else {
    conclude("Denied", `${machine.hostname} is not connected.`);
    goBack({ error: "access_denied" });
  }
}

function goBack(answer) {
  const url = new URL(machine.back);
  for (const [name, value] of Object.entries({ ...answer, state: machine.state })) url.searchParams.set(name, value);
  location.replace(url);
}

// ---- who is signed in

function enter(me) {
  element("who-name").textContent = `${me.user?.name ?? "a key of nobody’s"} (${me.tenant.name})`;
  element("who").hidden = false;
  const mayConnect = me.role !== "viewer" && me.scopes.includes("runtimes:write");
  element("forbidden").hidden = mayConnect;
  element("approve").hidden = !mayConnect;
  if (!byCode) showMachine();
  else if (mayConnect) show("code", "user-code");
  else conclude("Not with this key", element("forbidden").textContent);
}

function leave() {
  element("who").hidden = true;
  show("sign-in", "key");
}

// ---- what is seen

function show(section, focused) {
  for (const id of SECTIONS) element(id).hidden = id !== section;
  element(focused ?? `${section}-title`).focus();
}

function showMachine() {
  element("hostname").textContent = machine.hostname;
  element("os").textContent = machine.os;
  show("machine");
}

function conclude(title, sentence) {
  element("outcome-title").textContent = title;
  element("outcome-note").textContent = sentence;
  show("outcome");
}

function warn(sentence, field) {
  element("alert").textContent = sentence;
  element("alert").hidden = false;
  field?.setAttribute("aria-invalid", "true");
  field?.focus();
}

// Does one thing at a time, and says what became of it when that is nothing.
async function work(act, field) {
  if (busy) return;
  busy = true;
  element("card").setAttribute("aria-busy", "true");
  element("alert").hidden = true;
  field?.removeAttribute("aria-invalid");
  try {
    await act();
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    // Another page of the plane in this browser may have signed out, or somebody else in.
    const isOut = field?.id !== "key" && (refusal.status === 401 || refusal.code === "csrf_failed");
    if (isOut) leave();
    warn(isOut ? "You are signed in no longer. Sign in again." : refusal.message, isOut ? null : field);
  } finally {
    busy = false;
    element("card").setAttribute("aria-busy", "false");
  }
}

async function signInByForm() {
  const key = element("key").value.trim();
  let me;
  try {
    me = await signIn(key);
  } catch (refusal) {
    throw new Refusal(refusal.status, refusal.code, AT_SIGN_IN[refusal.code] ?? refusal.message);
  }
  element("key").value = "";
  enter(me);
}

async function start() {
  for (const one of document.querySelectorAll(byCode ? ".by-browser" : ".by-code")) one.hidden = true;
  try {
    if (!byCode) machine = machineOfAddress();
  } catch (problem) {
    conclude("This address cannot be used", problem.message);
    element("card").setAttribute("aria-busy", "false");
    return;
  }
  // Filled in, but not sent: a person compares it with what the machine shows. RFC 8628, section 3.3.1.
  element("user-code").value = query.get("user_code") ?? "";
  await work(async () => {
    const me = await signedIn();
    if (me === null) leave();
    else enter(me);
  });
}

element("sign-in-form").addEventListener("submit", (event) => {
  event.preventDefault();
  work(signInByForm, element("key"));
});
element("code-form").addEventListener("submit", (event) => {
  event.preventDefault();
  work(() => find(element("user-code").value), element("user-code"));
});
element("approve").addEventListener("click", () => work(approve));
element("deny").addEventListener("click", () => work(deny));
element("sign-out").addEventListener("click", () =>
  work(async () => {
    await signOut();
    leave();
  }),
);
start();
