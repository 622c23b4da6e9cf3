"use strict";
// The live page: every event is one analysis time; a time that is analysed again replaces what was drawn.
// Text from a run enters the page as text alone, never as markup.

const VERDICTS = ["used", "evaluated", "used, posterior failed", "evaluated, posterior failed", "prior failed",
  "not selected", "incoming qc", "outlier", "conversion failed", "duplicate", "too late", "too many failed",
  "censored", "missing"];
const QUIET = new Set([0, 13]); // verdicts that are no cause for worry

const at = (id) => document.getElementById(id);
const page = { run: null, about: null, rows: new Map(), times: [], counts: {}, panels: [], ids: [], records: null, hover: null };
window.mscale = page;

// ---- events --------------------------------------------------------------------------------------------------

let source = null;
listen();

function listen() {
  source = new EventSource("events?token=" + encodeURIComponent(document.body.dataset.token));
  source.onopen = () => say("live", "live");
  source.onerror = () => say("lost", "connection lost, trying again");
  source.addEventListener("waiting", () => say("live", "waiting for the first record"));
  source.addEventListener("run", (message) => begin(JSON.parse(message.data)));
  source.addEventListener("step", (message) => {
    page.ids.push(message.lastEventId);
    take(JSON.parse(message.data));
  });
  source.addEventListener("status", (message) => stand(JSON.parse(message.data)));
}

function begin(about) {
  if (about.run !== page.run || about.whole) forget();
  page.run = about.run;
  page.about = about;
  at("title").textContent = about.title;
  document.title = about.title;
  at("text").textContent = about.text;
  at("more").textContent = about.left_out ? about.left_out + " more places have no panel here." : "";
  const main = at("panels");
  main.replaceChildren();
  page.panels = about.panels.map((panel, number) => card(panel, number, main));
  columns();
  draw();
}

function forget() {
  page.run = null;
  page.rows.clear();
  page.times = [];
  page.counts = {};
}

function take(row) {
  if (!page.rows.has(row.t)) {
    let place = page.times.length;
    while (place > 0 && page.times[place - 1] > row.t) place -= 1;
    page.times.splice(place, 0, row.t);
  }
  count(page.rows.get(row.t), -1);
  count(row, 1);
  page.rows.set(row.t, row);
  draw();
}

function count(row, sign) {
  if (row) for (const [code, n] of Object.entries(row.c)) page.counts[code] = (page.counts[code] || 0) + sign * n;
}

function stand(now) {
  if (page.times.length > now.steps) { // a time has lost all its readings: hear everything again
    source.close();
    forget(); // here, as a run without a step announces nothing
    draw();
    return listen();
  }
  page.records = now;
  say("live", now.follows === false ? "the follower has stopped" : "live");
  const unit = page.about ? page.about.time[1] : "";
  at("letter").textContent = now.reason ? "Not taken in, the newest: " + now.reason + " (all: dead_letters.jsonl)" : "";
  page.written = Date.now() - 1000 * now.age;
  put("now", now.time === null ? "–" : short(now.time), unit, "");
  put("lag", short(now.lag), unit, now.waiting ? now.waiting + " waiting for others" : "");
  put("records", String(now.received), "", now.late ? now.late + " came late" : "");
  if (now.nis) {
    const [low, ratio, high] = now.nis;
    const words = ratio > high ? "too sure" : ratio < low ? "too careful" : "consistent";
    put("honest", words, "", "squared innovations " + ratio.toFixed(2) + " (" + low.toFixed(2) + " to " + high.toFixed(2) + ")");
    at("honest").className = words === "consistent" ? "good" : "bad";
  }
  draw();
}

function say(kind, words) {
  const stopped = words === "the follower has stopped";
  at("state").className = stopped ? "lost" : kind;
  at("state").lastElementChild.textContent = words;
}

function put(id, value, unit, below) {
  const small = document.createElement("small"), beside = document.createElement("span");
  beside.textContent = unit;
  small.textContent = below || "\u00a0";
  at(id).replaceChildren(document.createTextNode(value), beside, small);
}

setInterval(() => {
  if (!page.written) return;
  const seconds = Math.max(0, Math.round((Date.now() - page.written) / 1000));
  const ago = seconds < 90 ? seconds + " s" : seconds < 5400 ? Math.round(seconds / 60) + " min" : Math.round(seconds / 3600) + " h";
  at("now").lastElementChild.textContent = "written " + ago + " ago";
}, 1000);

function columns() {
  const fit = Math.max(1, Math.floor(innerWidth / 380)), n = page.panels.length;
  const wanted = n <= 2 ? n : n <= 4 ? 2 : n <= 9 ? 3 : 4;
  at("panels").style.setProperty("--columns", Math.max(1, Math.min(fit, innerWidth < 900 ? fit : wanted)));
}
addEventListener("resize", columns);

function verdicts() {
  const names = new Map();
  for (const [code, n] of Object.entries(page.counts)) if (n) names.set(VERDICTS[code], [n, QUIET.has(+code)]);
  if (page.records) {
    if (page.records.copies) names.set("duplicate", [page.records.copies, true]);
    for (const [name, count] of Object.entries(page.records.refused)) names.set(name.replaceAll("_", " "), [count, false]);
  }
  const items = [...names].map(([name, [count, quiet]]) => {
    const item = document.createElement("li"), number = document.createElement("b");
    item.className = quiet ? "" : "bad";
    number.textContent = count;
    item.append(number, " " + name);
    return item;
  });
  at("verdicts").replaceChildren(...items);
}

// ---- panels --------------------------------------------------------------------------------------------------

function card(panel, number, main) {
  const figure = document.createElement("figure"), caption = document.createElement("figcaption");
  const words = document.createElement("div"), title = document.createElement("b"), text = document.createElement("small");
  const output = document.createElement("output"), canvas = document.createElement("canvas");
  const plot = document.createElement("div");
  plot.className = "plot";
  plot.append(canvas);
  title.textContent = panel.title + (panel.unit ? " (" + panel.unit + ")" : "");
  text.textContent = panel.text || "\u00a0";
  text.title = panel.text;
  words.append(title, text);
  caption.append(words, output);
  figure.append(caption, plot);
  main.append(figure);
  canvas.setAttribute("role", "img");
  for (const kind of ["pointermove", "pointerdown"])
    canvas.addEventListener(kind, (event) => {
      page.hover = event.offsetX / canvas.clientWidth;
      draw();
    });
  canvas.addEventListener("pointerleave", () => {
    page.hover = null;
    draw();
  });
  return { panel, key: String(number), canvas, output };
}

let due = false;
function draw() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    const style = getComputedStyle(document.documentElement);
    const ink = (name) => style.getPropertyValue("--" + name).trim();
    verdicts();
    const end = page.times[page.times.length - 1], first = page.times[0];
    for (const one of page.panels) paint(one, first, end, ink);
  });
}
new ResizeObserver(draw).observe(document.body);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
