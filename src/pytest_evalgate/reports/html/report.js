"use strict";
// The table of all cases and the view of one case. Text of models and users is set as text, never as markup.
(async () => {
const AROUND = 9; // rows drawn above and below the visible ones
const LARGEST = 4e6; // pairs of words that a diff compares
const EXCERPT = 400; // characters of a text in the table: two lines of a wide window
const ALIKE = 0.25; // share of the shorter text, as in diff.py
const LEAD = 40; // characters before the first change, if an excerpt does not begin with the text
const FIELDS = ["id", "suite", "outcome", "change", "value", "before", "tags", "slices", "flaky", "disagree", "reason"];

const byId = id => document.getElementById(id);
for (const element of document.querySelectorAll(".scripted")) element.hidden = false;
byId("download").href = URL.createObjectURL(new Blob([byId("verdict").textContent], { type: "application/json" }));
if (!byId("table")) return;

// ---- The index of all cases

const index = JSON.parse(await unzipped(bytesOf(byId("index"))));
const names = index.names;
const slices = names.slices.map(pair => pair.join("="));
const cases = index.rows.map((row, at) => {
  const one = Object.fromEntries(FIELDS.map((field, number) => [field, row[number]]));
  one.at = at;
  one.suite = names.suites[one.suite];
  one.outcome = names.outcomes[one.outcome];
  one.change = names.changes[one.change];
  one.tags = one.tags.map(tag => names.tags[tag]);
  one.slices = one.slices.map(slice => slices[slice]);
  one.path = `${one.suite}/${one.id}`;
  return one;
});
const KINDS = {
  "regressed": one => one.change.name === "regressed",
  "missed": one => one.outcome.name === "missed",
  "no answer": one => one.outcome.name === "errored",
  "flaky": one => one.flaky === 1,
  "fixed": one => one.change.name === "fixed",
  "new": one => one.change.name === "new",
  "edited": one => one.change.name === "edited",
  "removed": one => one.change.name === "removed",
  "scores disagree": one => one.disagree === 1,
};
const RANK = ["regressed", "no answer", "missed", "flaky", "fixed"];
const rank = one => { const found = RANK.findIndex(kind => KINDS[kind](one)); return found < 0 ? RANK.length : found; };
const drop = one => (one.value ?? 0) - (one.before ?? 1);
const COLUMNS = [
  { name: "id", title: "Case", key: one => one.id, cell: named },
  { name: "result", title: "Result", key: one => rank(one) * 4 + drop(one), cell: result },
  { name: "question", title: "Question" },
  { name: "answer", title: "Answer" },
  { name: "before", title: "Baseline's answer" },
  { name: "reason", title: "Reason", key: one => one.reason || null, cell: one => clamped(one.reason) },
].filter(({ name }) => name !== "before" || cases.some(one => one.before !== null));

// ---- Elements

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  for (const child of children) made.append(typeof child === "string" ? text(child) : child);
  return made;
}

function text(words) {
  const made = document.createTextNode("");
  made.textContent = words;
  return made;
}

function badge({ word, shape, tone }) {
  if (!word) return text("");
  return element("span", { class: `mark ${tone}` }, element("span", { "aria-hidden": "true" }, shape), ` ${word}`);
}

function named(one) {
  const labels = [...(names.suites.length > 1 ? [one.suite] : []), ...one.tags].join(" \u00b7 ");
  return [element("a", { class: "id", href: address(one) }, one.id), element("div", { class: "sub" }, labels)];
}

function result(one) {
  const mean = one.value !== null && one.value > 0 && one.value < 1 ? ` ${level(one.value)}` : "";
  const before = one.before === null || one.change.name === "same" ? "" : ` was ${level(one.before)}`;
  return [element("div", {}, badge(one.outcome), mean), element("div", { class: "sub" }, badge(one.change), before)];
}

const clamped = (...words) => element("div", { class: "clamped" }, ...words);

const encode = words => encodeURIComponent(words.replace(/\p{Surrogate}/gu, "\ufffd")).replaceAll("%2F", "/");
const address = one => `#case=${encode(one.path)}`;
const outcome = wanted => names.outcomes.find(({ name }) => name === wanted);
const level = value => value === null ? "" : value === 1 ? "pass" : value === 0 ? "miss" : value.toFixed(2);

// ---- The texts, decompressed on demand, at most 2,000 cases at a time

const files = new Map();
const chunks = new Map();
const loaded = new Map(); // the texts of the chunks that have been read

function chunk(number) {
  if (!chunks.has(number)) {
    const found = unpacked(number);
    chunks.set(number, found);
    found.catch(() => chunks.delete(number));
  }
  return chunks.get(number);
}

async function unpacked(number) {
  const { pieces, texts } = JSON.parse(await unzipped(packedBytes(number)));
  for (const one of texts) joinPieces(one, pieces);
  loaded.set(number, texts);
  return texts;
}

// A text with pieces that other texts have too is a list of strings and of numbers of pieces.
const joinedText = (text, pieces) => Array.isArray(text) ? text.map(part => typeof part === "number" ? pieces[part] : part).join("") : text;

function joinPieces(one, pieces) {
  for (const name of ["input", "expected", "before", "reason"]) if (name in one) one[name] = joinedText(one[name], pieces);
  for (const trial of one.trials ?? []) {
    for (const name of ["output", "reason", "reasoning"]) if (name in trial) trial[name] = joinedText(trial[name], pieces);
    for (const score of trial.scores ?? []) score.reason = joinedText(score.reason, pieces);
  }
}

function unzipped(blob) {
  return new Response(blob.stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

function bytesOf(island) {
  return new Blob([Uint8Array.from(atob(island.textContent), char => char.charCodeAt(0))]);
}

function packedBytes(number) {
  const inPage = byId(`texts-${number}`);
  if (inPage) return bytesOf(inPage);
  const name = `texts-${String(number).padStart(4, "0")}.json.gz`;
  if (!files.has(name)) throw new Error(`The texts of this case are in report_files/${name}: select that file above the table.`);
  return files.get(name);
}

const chunkOf = one => index.starts.findLastIndex(start => start <= one.at);

async function textsOf(one) {
  const number = chunkOf(one);
  return (await chunk(number))[one.at - index.starts[number]];
}

// The trial that is shown: the first that did not pass.
function shownTrial(texts) {
  const trials = texts.trials ?? [];
  return Math.max(0, trials.findIndex(trial => trial.value !== 1));
}

function wordsOf(texts) {
  const trials = (texts.trials ?? []).flatMap(trial =>
    [trial.output, trial.reason, trial.traceback, ...(trial.scores ?? []).flatMap(score => [score.reason, score.why])]);
  return [texts.input, texts.expected, texts.before, texts.reason, ...trials].join("\n").toLowerCase();
}

// ---- Filters, search and order, stored in the address

const state = { show: new Set(), suite: "", slice: "", q: "", sort: "", open: "" };
let shown = [];
let found = null; // numbers of the cases that match the search, null without a search
let progress = "";
let searching = 0;

function fits(one) {
  if (state.suite && one.suite !== state.suite) return false;
  if (state.slice && !one.slices.includes(state.slice)) return false;
  if (found && !found.has(one.at)) return false;
  return state.show.size === 0 || [...state.show].some(kind => KINDS[kind](one));
}

function inOrder(list) {
  const column = COLUMNS.find(({ name }) => name === state.sort.replace("-", ""));
  const key = (column?.key ? column : COLUMNS[1]).key;
  const sign = state.sort.startsWith("-") ? -1 : 1;
  const keyed = list.map(one => [key(one), one]);
  keyed.sort(([a, one], [b, other]) => (a === null) - (b === null) || sign * compared(a, b) || one.at - other.at);
  return keyed.map(([, one]) => one);
}

const compared = (a, b) => a === b ? 0 : a < b ? -1 : 1;

function refresh() {
  shown = inOrder(cases.filter(fits));
  byId("table").setAttribute("aria-rowcount", shown.length + 1);
  announce();
  draw();
}

function announce() {
  const text = `${shown.length.toLocaleString("en")} of ${cases.length.toLocaleString("en")} cases`;
  byId("count").textContent = progress ? `${text}; ${progress}` : text;
}

async function search() {
  const mine = ++searching;
  const wanted = state.q.trim().toLowerCase();
  progress = "";
  found = wanted ? new Set(cases.filter(one => inIndex(one, wanted)).map(one => one.at)) : null;
  refresh();
  const count = wanted ? index.starts.length : 0;
  try {
    for (let number = 0; number < count; number++) {
      const texts = await chunk(number);
      if (mine !== searching) return;
      const before = found.size;
      texts.forEach((one, at) => { if (wordsOf(one).includes(wanted)) found.add(index.starts[number] + at); });
      progress = number + 1 < count ? `searching the texts: ${number + 1} of ${count} parts` : "";
      if (found.size > before) refresh(); else announce();
    }
  } catch (error) {
    progress = error.message;
    announce();
  }
}

const inIndex = (one, wanted) => [one.id, one.reason, ...one.tags].join("\n").toLowerCase().includes(wanted);

function writeAddress() {
  const parts = [
    ["show", [...state.show].join(",")], ["suite", state.suite], ["slice", state.slice], ["q", state.q],
    ["sort", state.sort], ["case", state.open],
  ].filter(([, value]) => value).map(([name, value]) => `${name}=${encode(value)}`);
  history.replaceState(null, "", parts.length ? `#${parts.join("&")}` : location.pathname + location.search);
}

function readAddress() {
  const params = new URLSearchParams(isSection() ? "" : location.hash.slice(1));
  state.show = new Set((params.get("show") ?? "").split(",").filter(kind => Object.hasOwn(KINDS, kind)));
  for (const name of ["suite", "slice", "q", "sort"]) state[name] = params.get(name) ?? "";
  byId("suite").value = state.suite;
  byId("slice").value = state.slice;
  byId("query").value = state.q;
  showControls();
  search();
  const wanted = params.get("case");
  const one = wanted && (cases.find(({ path }) => path === wanted) ?? cases.find(({ id }) => id === wanted));
  if (one) open(one);
  else if (location.hash && !isSection()) byId("all").scrollIntoView();
}

const isSection = () => location.hash !== "" && !location.hash.includes("=");

// ---- The table: rows of equal height, of which only those near the window exist

let current = null; // the case that the keys j and k start from
let rowHeight = 52; // pixels, from the style sheet, which has other rows for narrow windows

function draw() {
  const box = byId("box");
  const first = Math.max(0, Math.min(Math.floor(box.scrollTop / rowHeight) - AROUND, shown.length - 1));
  const last = Math.min(shown.length, first + Math.ceil(box.clientHeight / rowHeight) + 2 * AROUND);
  const focused = document.activeElement?.closest?.("#rows tr")?.dataset.at;
  byId("rows").replaceChildren(gap(first), ...shown.slice(first, last).map((one, at) => row(one, first + at)), gap(shown.length - last));
  if (focused) byId("rows").querySelector(`tr[data-at="${focused}"] a`)?.focus({ preventScroll: true });
  for (const number of new Set(shown.slice(first, last).map(chunkOf))) {
    if (!loaded.has(number)) chunk(number).then(fill, () => {}); // without its file a row shows no texts
  }
}

function fill() {
  for (const tr of byId("rows").querySelectorAll("tr[data-at]:not([data-filled])")) addTexts(tr, cases[tr.dataset.at]);
}

function addTexts(tr, one) {
  const number = chunkOf(one);
  const texts = loaded.get(number)?.[one.at - index.starts[number]];
  if (!texts) return;
  tr.dataset.filled = "";
  const answer = texts.trials?.[shownTrial(texts)]?.output;
  const [before, now] = excerpts(texts.before, answer);
  const words = { question: [(texts.input ?? "").slice(0, EXCERPT)], answer: now, before };
  for (const cell of tr.cells) if (cell.dataset.name in words) cell.replaceChildren(clamped(...words[cell.dataset.name]));
}

// The beginnings of two answers with their changes marked; both begin shortly before the first change.
function excerpts(before = "", now = "") {
  if (!before || !now) return [[before.slice(0, EXCERPT)], [now.slice(0, EXCERPT)]];
  let same = 0;
  while (same < before.length && before[same] === now[same]) same++;
  const at = same === before.length && same === now.length || same < 2 * LEAD ? 0 : before.lastIndexOf(" ", same - LEAD) + 1;
  const parts = diff(before.slice(at, at + EXCERPT), now.slice(at, at + EXCERPT));
  if (!at && !areAlike(parts)) return [before, now].map(words => [words.slice(0, EXCERPT)]);
  const lead = at ? ["\u2026 "] : [];
  return ["del", "ins"].map(kind => [...lead, ...changes(parts, kind)]);
}

function gap(rows) {
  const made = element("tr", { class: "gap", "aria-hidden": "true" }, element("td"));
  made.style.height = `${Math.max(0, rows) * rowHeight}px`;
  made.hidden = rows <= 0;
  return made;
}

function row(one, at) {
  const cells = COLUMNS.map(({ name, title, cell }) => {
    const head = name === "id";
    const attributes = { "data-name": name, "data-title": title, role: head ? "rowheader" : "cell", ...(head ? { scope: "row" } : {}) };
    return element(head ? "th" : "td", attributes, ...[cell ? cell(one) : []].flat());
  });
  const attributes = { role: "row", "aria-rowindex": at + 2, "data-at": one.at, ...(one === current ? { class: "current" } : {}) };
  const made = element("tr", attributes, ...cells);
  addTexts(made, one);
  return made;
}

function measure() {
  rowHeight = Number.parseFloat(getComputedStyle(byId("table")).getPropertyValue("--row"));
  draw();
}

function focusOn(one) {
  const at = shown.indexOf(one);
  if (at < 0) return;
  current = one;
  const box = byId("box");
  const head = byId("heads").offsetHeight;
  const low = at * rowHeight, high = low + rowHeight + head - box.clientHeight;
  if (box.scrollTop > low) box.scrollTop = low;
  else if (box.scrollTop < high) box.scrollTop = high;
  draw();
  byId("rows").querySelector(`tr[data-at="${one.at}"] a`)?.focus();
}

// ---- One case: input, expected, baseline and candidate side by side

let turning = 0;

async function open(one) {
  const mine = ++turning;
  current = one;
  state.open = one.path;
  writeAddress();
  const dialog = byId("case");
  let body;
  try { body = whole(await textsOf(one)); } catch (error) { body = [element("p", { class: "note" }, error.message)]; }
  if (mine !== turning) return;
  dialog.replaceChildren(bar(one), element("div", { class: "inside" }, element("p", { class: "why" }, summary(one)), ...body));
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

function bar(one) {
  const turn = [["Previous", -1], ["Next", 1]].map(([word, by]) => {
    const made = element("button", { type: "button" }, word);
    made.addEventListener("click", () => step(by));
    return made;
  });
  const close = element("button", { type: "button", autofocus: "" }, "Close");
  close.addEventListener("click", () => byId("case").close());
  return element("div", { class: "bar" }, element("h2", { id: "case-title" }, one.id), badge(one.outcome),
    badge(one.change), element("div", { class: "turn" }, ...turn, close));
}

function summary(one) {
  const levels = one.before === null ? "" : `${level(one.before)} \u2192 ${level(one.value) || "no answer"}`;
  return [one.suite, levels, ...one.tags, ...one.slices].filter(Boolean).join(" \u00b7 ");
}

function whole(texts) {
  const trials = texts.trials ?? [];
  const at = shownTrial(texts);
  const answer = trials[at]?.output ?? "";
  const kept = texts.before !== undefined;
  const parts = kept ? diff(texts.before, answer) : [["same", answer]];
  const title = trials.length > 1 ? `Answer, trial ${at + 1} of ${trials.length}` : "Answer";
  const panes = [pane("Question", texts.input ?? ""), pane("Expected", texts.expected ?? "")];
  if (kept) panes.push(pane("Baseline's answer", ...changes(parts, "del")));
  if (trials.length) panes.push(pane(title, ...changes(parts, "ins")));
  const place = texts.place ? [element("p", {}, placed(texts))] : [];
  const reason = texts.reason ? [element("p", { class: "why" }, texts.reason)] : [];
  return [...reason, ...place, element("dl", { class: "texts" }, ...panes), ...trials.flatMap((trial, number) =>
    [...trialHead(trial, number, trials.length), ...trialReason(trial, texts), ...traceback(trial), ...scoreTable(trial), ...reasoning(trial), ...(number === at ? [] : otherOutput(trial))])];
}

function placed({ url, place }) {
  if (!url?.startsWith("https://") && !url?.startsWith("http://")) return element("span", { class: "place" }, place);
  return element("a", { class: "place", href: url, rel: "noreferrer" }, place);
}

function pane(title, ...words) {
  return element("div", {}, element("dt", {}, title), element("dd", { tabindex: "0" }, ...words));
}

// The words of one of the two answers, its changes marked; a space between two changed words is marked with them.
function changes(parts, kind) {
  const own = parts.filter(([of]) => of === "same" || of === kind);
  const of = own.map(([of, words], at) =>
    of === "same" && !words.trim() && own[at - 1]?.[0] === kind && own[at + 1]?.[0] === kind ? kind : of);
  return joined(own.map(([, words], at) => [of[at], words]))
    .map(([of, words]) => of === "same" ? text(words) : element(kind, {}, words));
}

function trialHead(trial, number, count) {
  const mark = outcome(trial.value === 1 ? "passed" : trial.value === 0 ? "missed" : "errored");
  const facts = [
    trial.latency_s === undefined ? "" : duration(trial.latency_s),
    trial.cost_usd ? `US$${trial.cost_usd.toPrecision(2)}` : "", // 0 for functions, whose cost is unknown
    trial.tokens === undefined ? "" : `${trial.tokens.toLocaleString("en")} tokens`,
  ].filter(Boolean).join(" \u00b7 ");
  return [element("h3", {}, count > 1 ? `Trial ${number + 1} ` : "Result ", badge(mark), element("span", { class: "muted" }, ` ${facts}`))];
}

const duration = seconds => seconds < 0.01 ? `${(1000 * seconds).toPrecision(2)} ms` : `${seconds.toPrecision(3)} s`;

function trialReason(trial, texts) {
  return trial.reason && trial.reason !== texts.reason ? [element("p", { class: "why" }, trial.reason)] : [];
}

function scoreTable(trial) {
  if (!trial.scores) return [];
  const heads = ["Scorer", "Score", "Result", "Reason"].map(title =>
    element("th", { scope: "col", class: title === "Score" ? "number" : "" }, title));
  const rows = trial.scores.map(score => {
    const says = score.passed === null ? "errored" : score.passed ? "passed" : "missed";
    const name = score.counts === false ? `${score.name} (reported only)` : score.name;
    return element("tr", {}, element("th", { scope: "row" }, name),
      element("td", { class: "number" }, score.value === null ? "-" : score.value.toFixed(2)),
      element("td", {}, badge(outcome(says))), element("td", { class: "why" }, score.reason, ...why(score)));
  });
  return [element("div", { class: "wide", role: "region", tabindex: "0", "aria-label": "Scores" },
    element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows)))];
}

function why(score) {
  return score.why ? [element("p", { class: "why" }, score.why)] : [];
}

function reasoning(trial) {
  return trial.reasoning ? [element("dl", { class: "texts" }, pane("Reasoning (not graded)", trial.reasoning))] : [];
}

function traceback(trial) {
  return trial.traceback ? [element("dl", { class: "texts trace" }, pane("Traceback of the application", trial.traceback))] : [];
}

function otherOutput(trial) {
  return [element("dl", { class: "texts" }, pane("Output", trial.output ?? ""))];
}

function step(by) {
  const one = shown[shown.indexOf(current) + by];
  if (!one) return;
  if (byId("case").open) open(one);
  else focusOn(one);
}

// ---- The diff of words: longest common subsequence

function diff(before, now) {
  const a = words(before), b = words(now);
  const shorter = Math.min(a.length, b.length);
  let head = 0, tail = 0;
  while (head < shorter && a[head] === b[head]) head++;
  while (tail < shorter - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const left = a.slice(head, a.length - tail), right = b.slice(head, b.length - tail);
  const middle = left.length * right.length > LARGEST
    ? [["del", left.join("")], ["ins", right.join("")]]
    : aligned(left, right);
  return joined([["same", a.slice(0, head).join("")], ...middle, ["same", a.slice(a.length - tail).join("")]]);
}

const words = text => text.match(/\s+|[\p{L}\p{M}\p{N}_]+|[^\s\p{L}\p{M}\p{N}_]/gu) ?? [];

function aligned(left, right) {
  const width = right.length + 1;
  const longest = new Uint32Array((left.length + 1) * width); // of left from i on and right from j on, at i * width + j
  for (let i = left.length - 1; i >= 0; i--) {
    for (let j = right.length - 1; j >= 0; j--) {
      longest[i * width + j] = left[i] === right[j]
        ? longest[(i + 1) * width + j + 1] + 1
        : Math.max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
    }
  }
  const parts = [];
  let i = 0, j = 0;
  while (i < left.length && j < right.length) {
    if (left[i] === right[j]) { parts.push(["same", left[i]]); i++; j++; }
    else if (longest[(i + 1) * width + j] >= longest[i * width + j + 1]) parts.push(["del", left[i++]]);
    else parts.push(["ins", right[j++]]);
  }
  return [...parts, ["del", left.slice(i).join("")], ["ins", right.slice(j).join("")]];
}

function joined(parts) {
  const kept = [];
  for (const [kind, text] of parts) {
    if (kept.length && kept.at(-1)[0] === kind) kept.at(-1)[1] += text;
    else if (text) kept.push([kind, text]);
  }
  return kept;
}

// Whether two texts share enough for a list to mark the words that changed.
function areAlike(parts) {
  const [same, gone, come] = ["same", "del", "ins"].map(kind =>
    parts.reduce((sum, [of, words]) => sum + (of === kind ? words.trim().length : 0), 0));
  return same > 0 && same >= ALIKE * (same + Math.min(gone, come));
}

// ---- Controls

function showControls() {
  for (const chip of byId("chips").children) chip.setAttribute("aria-pressed", state.show.has(chip.dataset.kind));
  for (const head of byId("heads").children) {
    const own = state.sort.replace("-", "") === head.dataset.name;
    const order = !own ? "none" : state.sort.startsWith("-") ? "descending" : "ascending";
    if (!head.querySelector("button")) continue;
    head.setAttribute("aria-sort", order);
    head.firstChild.lastChild.textContent = { none: "", ascending: " \u2191", descending: " \u2193" }[order];
  }
}

function changed() {
  byId("box").scrollTop = 0;
  showControls();
  writeAddress();
}

function addChips() {
  for (const [kind, test] of Object.entries(KINDS)) {
    const count = cases.filter(test).length;
    if (!count) continue;
    const chip = element("button", { type: "button", "aria-pressed": "false", "data-kind": kind }, `${kind} ${count.toLocaleString("en")}`);
    chip.addEventListener("click", () => {
      if (!state.show.delete(kind)) state.show.add(kind);
      changed();
      refresh();
    });
    byId("chips").append(chip);
  }
}

function addHeads() {
  for (const { name, title, key } of COLUMNS) {
    const head = element("th", { scope: "col", role: "columnheader", class: `w-${name}`, "data-name": name });
    byId("heads").append(head);
    if (!key) {
      head.append(title);
      continue;
    }
    const button = element("button", { type: "button" }, title, element("span", { "aria-hidden": "true" }));
    button.addEventListener("click", () => {
      state.sort = state.sort === name ? `-${name}` : state.sort === `-${name}` ? "" : name;
      changed();
      refresh();
    });
    head.append(button);
  }
}

function addChoice(id, values) {
  const select = byId(id);
  for (const value of values) select.append(element("option", { value }, value));
  select.parentElement.hidden = values.length < (id === "suite" ? 2 : 1);
  select.addEventListener("change", () => { state[id] = select.value; changed(); refresh(); });
}

function listen() {
  let waiting;
  byId("query").addEventListener("input", event => {
    state.q = event.target.value;
    clearTimeout(waiting);
    waiting = setTimeout(() => { changed(); search(); }, 120);
  });
  byId("files")?.addEventListener("change", event => {
    for (const file of event.target.files) files.set(file.name, file);
    search();
  });
  let drawing = 0;
  byId("box").addEventListener("scroll", () => { cancelAnimationFrame(drawing); drawing = requestAnimationFrame(draw); });
  addEventListener("resize", measure);
  addEventListener("hashchange", () => { if (!isSection()) readAddress(); });
  byId("case").addEventListener("close", () => { state.open = ""; turning++; writeAddress(); focusOn(current); });
  document.addEventListener("click", event => {
    const link = event.target.closest("a[href^='#case=']");
    const wanted = link && decodeURIComponent(link.hash.slice("#case=".length));
    const one = link && cases.find(({ path }) => path === wanted);
    if (!one || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open(one);
  });
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
    if (event.key === "/" && !byId("case").open) {
      event.preventDefault();
      byId("query").focus();
    }
    if (event.key === "j") step(1);
    if (event.key === "k") step(-1);
  });
}

addChips();
addHeads();
addChoice("suite", names.suites);
addChoice("slice", slices);
listen();
measure();
readAddress();
document.documentElement.dataset.ready = "";
})();
