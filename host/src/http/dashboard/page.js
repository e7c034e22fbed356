
"use strict";
// Everything shown is set as text: what the log holds never becomes markup.
const FEED = 200, LIST = 200, REFRESH_MS = 3000, BACKLOG = 150;
const codes = JSON.parse(document.getElementById("codes").textContent);
const at = (id) => document.getElementById(id);
let token = null;
let agents = new Map();
let records = [];
let last = null;
let following = false;

function el(tag, cls, ...children) {
  const node = document.createElement(tag);
  if (cls) node.className = cls;
  for (const child of children) {
    if (child === null || child === undefined) continue;
    // What is not a node is put in as a text node.
    node.append(child instanceof Node ? child : String(child));
  }
  return node;
}
function show(node, ...children) { node.replaceChildren(...children); }
function pill(word, mood) { return el("span", "pill" + (mood ? " " + mood : ""), word); }
function group(amount) { return String(amount).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f"); }
function clock(time) { return typeof time === "string" ? time.slice(11, 19) : ""; }
function short(text, keep) { const all = String(text); return all.length > keep ? all.slice(0, keep) + "\u2026" : all; }

class Refused extends Error {}

async function ask(path, options) {
  const headers = { ...(options && options.headers) };
  if (token !== null) headers.authorization = "Bearer " + token;
  const answer = await fetch(path, { headers, cache: "no-store", signal: options && options.signal });
  if (answer.status === 401) throw new Refused();
  return answer;
}
async function json(path) {
  const answer = await ask(path);
  return answer.ok ? answer.json() : null;
}

function facts(status, note, grants) {
  const counters = (status && status.counters) || {};
  const lines = note ? note.split("\n") : [];
  at("origin").textContent = lines[0] || "";
  const fact = (name, value, wide) => el("div", "card fact" + (wide ? " wide" : ""), el("span", "", name), el("b", wide ? "mono" : "", value));
  const active = grants ? grants.filter((grant) => grant.status === "active").length : "\u2013";
  const issued = counters.calls_issued ?? counters.issued;
  const denied = counters.calls_denied ?? counters.denied;
  const all = [
    fact("Entries in the log", lines[1] ? group(lines[1]) : "0"),
    fact("Generation", status ? status.generation : "\u2013"),
    fact("Grants active", grants ? active + " of " + grants.length : "\u2013"),
  ];
  if (issued !== undefined) all.push(fact("Issued since boot", group(issued)));
  if (denied !== undefined) all.push(fact("Denied since boot", group(denied)));
  if (lines[2]) all.push(fact("Checkpoint \u00b7 root at size " + lines[1], lines[2], true));
  show(at("facts"), ...all);
}

function phase(word, reason) {
  const node = at("phase");
  node.textContent = word || "not reached";
  node.title = reason || "";
  node.className = "pill " + (word === "serving" ? "good" : word === "fenced" || word === "stopped" ? "bad" : "warn");
}

const WINDOWS = {
  "grant": "whole life", "calendar:P1D": "today, UTC", "calendar:P1M": "this month, UTC", "rolling:P1D": "last 24 hours",
  "rolling:PT1H": "last hour",
};

function budget(one) {
  const max = BigInt(one.max), spent = BigInt(one.spent);
  const window = WINDOWS[one.window] || one.window.replace("rolling:P", "last ").replace("T", "").toLowerCase();
  if (one.window === "call") {
    return el("div", "budget row", el("span", "", one.unit), el("span", "quiet", "at most " + group(one.max) + " a call"));
  }
  const percent = max > 0n ? Number(spent * 1000n / max) / 10 : 100;
  const mood = percent >= 100 ? " bad" : percent >= 80 ? " warn" : "";
  const fill = el("div", "fill" + mood);
  fill.style.width = Math.min(100, percent) + "%";
  const track = el("div", "track", fill);
  track.setAttribute("role", "progressbar");
  track.setAttribute("aria-valuenow", String(Math.round(percent)));
  track.setAttribute("aria-label", one.unit + " spent, " + window);
  const left = el("span", "", one.unit + " ", el("span", "quiet", window));
  return el("div", "budget", el("div", "row", left, el("span", "", group(one.spent) + " / " + group(one.max))), track);
}

const MOODS = { active: "good", revoked: "bad", frozen: "bad", suspended: "warn", expired: "", not_yet_valid: "" };

function showGrants(list) {
  at("grants-count").textContent = list.length ? String(list.length) : "";
  if (!list.length) return show(at("grants"), el("div", "card empty", "No grant yet."));
  const rank = (grant) => (grant.status === "active" ? 0 : grant.status === "suspended" ? 1 : 2);
  list.sort((a, b) => rank(a) - rank(b) || (a.agent < b.agent ? -1 : 1));
  show(at("grants"), ...list.map((grant) => {
    const head = el("div", "row", el("span", "", el("b", "", grant.agent), " ", el("span", "mono quiet", grant.id)),
      el("span", "", grant.env === "sandbox" ? pill("sandbox") : null, " ", pill(grant.status.replaceAll("_", " "), MOODS[grant.status])));
    const until = "until " + grant.expires_at.replace("T", " ").replace("Z", " UTC") + (grant.renew_until ? ", renewable" : "");
    return el("div", "card grant", head, grant.purpose ? el("p", "purpose", grant.purpose) : null, el("p", "until", until), ...grant.budgets.map(budget));
  }));
}

function showKeys(list) {
  at("keys-count").textContent = list.length ? String(list.length) : "";
  if (!list.length) return show(at("keys"), el("div", "empty", "No key yet."));
  show(at("keys"), ...list.map((key) => {
    const word = key.retired ? pill("retired", "bad") : key.env === "sandbox" ? pill("sandbox") : null;
    const head = el("div", "row", el("span", "mono", key.id), el("span", "", word, " ", pill(key.kind + " \u00b7 " + key.alg)));
    const kid = key.jwk ? key.jwk.kid : "";
    return el("div", "", head, el("small", "", (key.agent ? "of " + key.agent : "of no agent yet") + " \u00b7 kid ", el("span", "mono", kid)));
  }));
}

function who(record) {
  const agent = record.agent || agents.get(record.grant);
  return agent ? agent + " \u00b7 " + record.grant : record.grant || "";
}

function describe(record) {
  switch (record.kind) {
    case "call": {
      const effect = record.effects[0] || {};
      const spent = record.charged.filter((charge) => charge.unit !== "call").map((charge) => group(charge.amount) + " " + charge.unit);
      const what = effect.kind === "jwt" ? "token for " + effect.destination : effect.method + " " + effect.destination + (effect.path || "");
      return [record.outcome, record.outcome === "issued" ? "good" : "warn", what, [who(record), ...spent].join(" \u00b7 ")];
    }
    case "denied":
      return ["denied", "bad", record.code.replaceAll("_", " ") + (record.count > 1 ? " \u00d7 " + group(record.count) : ""), who(record)];
    case "simulated":
      return ["simulated", "", record.count + " simulated", who(record)];
    case "warned":
      return ["80 %", "warn", group(record.spent) + " of " + group(record.max) + " " + record.unit + " \u00b7 " + record.window, who(record)];
    case "command": {
      const command = record.command || {}, action = command.action || {};
      const of = action.grant ? action.grant.id || action.grant : action.key ? action.key.id || action.key : "";
      return ["command", "", action.type || "command", [command.chain + " " + command.seq, typeof of === "string" ? of : ""].filter(Boolean).join(" \u00b7 ")];
    }
    case "boot":
      return ["boot", "", "version " + record.version + ", generation " + record.generation, "instance " + short(record.instance, 16)];
    case "renewed":
      return ["renewed", "", "until " + record.expires_at, who(record)];
    case "revoked_self":
      return ["revoked", "bad", record.leaked ? "by its agent: the key leaked" : "by its agent", who(record)];
    default:
      return [record.kind, "", record.kind, ""];
  }
}

function showFeed() {
  if (!records.length) return show(at("feed"), el("li", "empty", "Nothing recorded yet."));
  show(at("feed"), ...records.map((record) => {
    const [word, mood, what, detail] = describe(record);
    const time = el("time", "", clock(record.time));
    time.title = record.time + ", record " + record.id;
    return el("li", "", time, el("span", "", pill(word, mood)), el("div", "what", what, detail ? el("small", "", detail) : null));
  }));
  const denied = new Map();
  for (const record of records) {
    if (record.kind !== "denied") continue;
    const key = record.grant + " " + record.code;
    const sum = denied.get(key) || { record, count: 0 };
    sum.count += record.count;
    denied.set(key, sum);
  }
  if (!denied.size) return show(at("denials"), el("div", "empty", "None."));
  show(at("denials"), ...[...denied.values()].map(({ record, count }) => {
    const head = el("div", "row", el("span", "mono", record.code), pill("\u00d7 " + group(count), "bad"));
    return el("div", "", head, el("small", "", who(record) + ", last " + clock(record.last) + " \u00b7 what helps: " + (codes[record.code] || "see the documentation")));
  }));
}

function take(list) {
  for (const record of list) { records.unshift(record); last = record.id; }
  if (records.length > FEED) records.length = FEED;
  if (list.length) showFeed();
}

async function refresh() {
  const [ready, status, note, grants, keys] = await Promise.all([
    ask("/readyz").then((answer) => answer.json()),
    json("/v1/status"),
    ask("/log/checkpoint").then((answer) => (answer.ok ? answer.text() : "")),
    json("/v1/grants?limit=" + LIST),
    json("/v1/keys?limit=" + LIST),
  ]);
  phase(status ? status.phase : ready.phase, ready.reason);
  facts(status, note, grants && grants.grants);
  at("freeze").hidden = !(grants && grants.frozen);
  if (grants) {
    agents = new Map(grants.grants.map((grant) => [grant.id, grant.agent]));
    showGrants(grants.grants);
    if (grants.next) at("grants-count").textContent = "the first " + grants.grants.length;
  }
  else if (!records.length) show(at("grants"), el("div", "card empty", "There is no deployment yet, or the host cannot follow its log."));
  if (keys) showKeys(keys.keys);
  return note ? Number(note.split("\n")[1]) : 0;
}

async function backlog(size) {
  let next = String(Math.max(0, size - BACKLOG));
  for (;;) {
    const page = await json("/v1/audit?limit=500&from=" + next);
    if (!page) return next;
    take(page.records);
    next = page.next;
    if (page.end) return next;
  }
}

async function follow(from) {
  let next = from;
  for (;;) {
    try {
      const headers = last === null ? {} : { "last-event-id": last };
      const answer = await ask("/v1/audit?follow=true&from=" + next, { headers });
      if (!answer.ok || !answer.body) throw new Error();
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      live(true);
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        const events = (rest + value).split("\n\n");
        rest = events.pop();
        const data = events.map((event) => event.split("\n").find((line) => line.startsWith("data: "))).filter(Boolean);
        take(data.map((line) => JSON.parse(line.slice(6))));
      }
    } catch (error) {
      if (error instanceof Refused) return needToken(true);
    }
    live(false);
    await new Promise((done) => setTimeout(done, 2000));
  }
}

function live(on) {
  following = on;
  at("live").textContent = on ? "following" : "not following";
  at("live").className = "pill" + (on ? " good" : " warn");
}

function needToken(refused) {
  at("ask").hidden = false;
  at("refused").hidden = !(refused && token !== null);
  at("token").focus();
}

let started = false;
async function start() {
  try {
    const size = await refresh();
    at("ask").hidden = true;
    at("rest").hidden = false;
    if (!started) {
      started = true;
      showFeed();
      follow(await backlog(size));
      setInterval(() => refresh().catch(() => phase(null, "the host does not answer")), REFRESH_MS);
    }
  } catch (error) {
    if (error instanceof Refused) needToken(true);
    else { phase(null, "the host does not answer"); setTimeout(start, REFRESH_MS); }
  }
}

at("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  token = at("token").value;
  at("token").value = "";
  start();
});
start();
