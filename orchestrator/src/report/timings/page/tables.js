// The words and tables of the page. Names are put on it as text, never as markup.

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") made.className = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value);
  }
  made.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return made;
}

function fillSummary() {
  const about = DATA.about;
  $("command").textContent = shortened(about.command, 160);
  $("command").title = about.command;
  $("when").textContent = new Date(about.started).toLocaleString();
  const ending = about.signal ? `interrupted by ${about.signal}` : about.ending;
  $("ending").textContent = ending;
  $("ending").dataset.ending = about.ending;
  const failed = UNITS.filter((unit) => unit.outcome === "failed");
  fillFailed(failed);
  const ran = UNITS.filter((unit) => unit.ran).length;
  const busy = UNITS.reduce((sum, unit) => sum + unit.busy, 0);
  const onPath = DATA.critical.reduce((sum, [bar]) => sum + BARS.end[bar] - BARS.start[bar], 0);
  const facts = [
    ["Time", seconds(DATA.duration), ""],
    ["CPU time", about.cpu ? seconds(about.cpu) : "not measured", about.cpu ? `${(about.cpu / DURATION).toFixed(1)} cores` : ""],
    ["Slots", `${about.most.tokens} of ${DATA.jobs}`, busy ? `${(busy / DURATION).toFixed(1)} in use on average` : ""],
    ["Units built", count(ran, "unit"), `${failed.length ? `${failed.length} failed, ` : ""}${about.fresh} fresh`],
    ...memoryFacts(about),
    ["Live modules", `${about.most.modules}`, "at the most"],
    ["Critical path", seconds(onPath), `${percent(onPath, DURATION)} of the time`],
    ["Profile", about.profile, `LTO ${about.lto}, ${about.translate} translation`],
    ["tender", about.version, `LLVM ${about.llvm}`],
  ];
  for (const [name, value, more, title] of facts) {
    $("summary").append(
      element("div", title ? { title } : {}, element("dt", {}, name), element("dd", {}, value), element("dd", { class: "more" }, more)),
    );
  }
}

// What failed, by name.
function fillFailed(failed) {
  $("failed").hidden = failed.length === 0;
  const named = failed.slice(0, 10);
  $("failed").append("Failed: ");
  named.forEach((unit, n) => {
    $("failed").append(n > 0 ? ", " : "", unitButton(unit), " ", element("small", {}, unit.crate));
  });
  if (named.length < failed.length) $("failed").append(` and ${failed.length - named.length} more`);
}

// Peak and budget; and what was short, if it was.
function memoryFacts(about) {
  const sum = about.memory;
  const peak = Math.max(about.most.memory, sum ? sum.peak : 0);
  if (!peak) return [["Memory", "not measured", ""]];
  const facts = [["Memory", bytes(peak), sum && sum.budget !== null ? `of ${bytes(sum.budget)} allowed` : "at the most", about.budget]];
  if (sum && sum.waits > 0) {
    const title = "How long a slot was free and something was ready for it, but too little memory";
    facts.push(["Short of memory", seconds(sum.short_us), `${percent(sum.short_us, DURATION)} of the time, ${count(sum.waits, "wait")}`, title]);
  }
  const kills = sum ? sum.killed_by_tender + sum.killed_by_kernel + sum.failed_allocations : 0;
  if (kills > 0) {
    const by = [[sum.killed_by_tender, "tender"], [sum.killed_by_kernel, "the kernel"], [sum.failed_allocations, "a failed allocation"]].filter(([n]) => n > 0);
    facts.push(["Killed for memory", `${kills}`, `${by.map(([n, who]) => (by.length > 1 ? `${n} by ${who}` : `by ${who}`)).join(", ")}; ${sum.retries} tried again`]);
  }
  return facts;
}

function fillLegend() {
  const times = new Float64Array(DATA.phases.length);
  for (const unit of UNITS) unit.phases.forEach((time, phase) => (times[phase] += time));
  const whole = times.reduce((a, b) => a + b, 0);
  const used = new Set(BARS.phase);
  DATA.phases.forEach((name, phase) => {
    if (!used.has(phase)) return;
    $("legend").append(element("li", {}, swatch(phase), ` ${name} `, element("small", {}, percent(times[phase], whole))));
  });
  if (UNITS.some((unit) => unit.outcome === "failed")) {
    $("legend").append(element("li", {}, element("span", { class: "swatch", style: "--colour: var(--bad)" }), " failed"));
  }
  if (DATA.critical.length > 0) {
    $("legend").append(element("li", {}, element("span", { class: "swatch path" }), " critical path"));
  }
}

function swatch(phase) {
  const striped = STRIPED.has(DATA.phases[phase]) ? " striped" : "";
  return element("span", { class: `swatch${striped}`, style: `--colour: var(--phase-${phase})` });
}

function unitButton(unit) {
  const title = `Show in the picture: ${unit.label}`;
  return element("button", { type: "button", class: "link", title, onclick: () => goTo(unit) }, shortened(unit.label, 80));
}

function head(columns, sorted) {
  const cells = columns.map((column) => {
    const label = column.sort
      ? element("button", { type: "button", onclick: () => sortBy(column) }, column.name)
      : column.name;
    const cell = element("th", { scope: "col", class: column.number ? "number" : "" }, label);
    if (column.title) cell.title = column.title;
    if (sorted && column === sorted.column) cell.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
    return cell;
  });
  return element("thead", {}, element("tr", {}, ...cells));
}

// The critical path by units: steps of one unit that follow each other are one line, and so are units that waited for nothing
// but a slot.
function fillCritical() {
  const lines = [];
  for (const [bar, after] of DATA.critical) {
    const last = lines[lines.length - 1];
    if (last && (BARS.unit[bar] === BARS.unit[last.bars[last.bars.length - 1]] || after === SLOT)) {
      last.bars.push(bar);
      continue;
    }
    lines.push({ after, bars: [bar] });
  }
  $("critical").hidden = lines.length === 0;
  if (lines.length === 0) return;
  const units = lines.map((line) => [...new Set(line.bars.map((bar) => BARS.unit[bar]))].map((n) => UNITS[n]));
  const slots = count(DATA.jobs, "job slot");
  if (lines.length === 1 && units[0].length > 1) {
    $("critical-note").textContent =
      `From the start to the end only the ${slots} kept the build from being shorter: each of the ${units[0].length} units on the path was ` +
      "ready, and waited for a slot.";
    return;
  }
  $("critical-note").textContent =
    "What ended last, what it waited for, and so on back to the start. What is not here could take longer, and nothing would change. " +
    `Several units on a line were ready together, and waited for one of the ${slots}.`;
  const rows = lines.map((line, n) => {
    const phases = new Float64Array(DATA.phases.length);
    let time = 0;
    for (const bar of line.bars) {
      time += BARS.end[bar] - BARS.start[bar];
      phases[BARS.phase[bar]] += BARS.end[bar] - BARS.start[bar];
    }
    const from = BARS.start[line.bars[0]];
    const before = n > 0 ? lines[n - 1].bars[lines[n - 1].bars.length - 1] : -1;
    const idle = from - (before < 0 ? 0 : BARS.end[before]);
    const why = before < 0 ? "start of the build" : line.after === DEPENDENCY ? `needs ${shortened(UNITS[BARS.unit[before]].file, 60)}` : "the same unit";
    const most = units[n].reduce((a, b) => (b.critical > a.critical ? b : a));
    const more = units[n].length - 1;
    return element(
      "tr",
      {},
      element("td", { class: "number" }, seconds(from)),
      element("td", {}, unitButton(most), " ", element("small", {}, most.crate), more > 0 ? ` and ${count(more, "more unit")}` : ""),
      element("td", {}, why),
      element("td", { class: "number" }, idle >= 1000 ? seconds(idle) : ""),
      element("td", { class: "number" }, seconds(time)),
      element("td", { class: "number" }, percent(time, DURATION)),
      element("td", {}, phaseStrip(phases, time)),
    );
  });
  const columns = [
    { name: "Start", number: true },
    { name: "Unit" },
    { name: "Because" },
    { name: "Idle before", number: true, title: "Nothing that it waited for ran: starts of processes, judging, scheduling" },
    { name: "Time", number: true },
    { name: "Share", number: true },
    { name: "Phases" },
  ];
  fillInSteps($("critical-table"), head(columns), rows);
}

// Why a bar of the path began when it did.
const [DEPENDENCY, SLOT] = [2, 3];

// Long tables come in parts.
function fillInSteps(table, heading, rows, step = 40) {
  const body = element("tbody", {});
  table.replaceChildren(heading, body);
  const more = () => {
    body.append(...rows.splice(0, step));
    if (rows.length === 0) return;
    const cell = element("td", { colspan: "20" });
    const row = element("tr", {}, cell);
    const next = () => {
      row.remove();
      more();
    };
    cell.append(element("button", { type: "button", onclick: next }, `${count(rows.length, "more line")}`));
    body.append(row);
  };
  more();
}

function phaseStrip(phases, whole) {
  const strip = element("div", { class: "strip" });
  const said = [];
  phases.forEach((time, phase) => {
    if (time <= 0) return;
    const part = element("span", { style: `--colour: var(--phase-${phase}); flex: ${time / Math.max(1, whole)} 0 0` });
    if (STRIPED.has(DATA.phases[phase])) part.className = "striped";
    strip.append(part);
    said.push(`${DATA.phases[phase]} ${seconds(time)}`);
  });
  strip.title = said.join(", ");
  strip.setAttribute("role", "img");
  strip.setAttribute("aria-label", strip.title);
  return strip;
}

const shareOf = (unit, ...names) =>
  names.reduce((sum, name) => sum + unit.phases[DATA.phases.indexOf(name)], 0) / Math.max(1, unit.busy);
const COLUMNS = [
  { name: "Unit", sort: (u) => u.label, cell: (u) => unitButton(u), header: true },
  { name: "Crate", sort: (u) => u.crate, cell: (u) => u.crate },
  { name: "Start", number: true, sort: (u) => u.start, cell: (u) => (u.ran ? seconds(u.start) : "") },
  { name: "Wall", number: true, sort: (u) => u.wall, cell: (u) => (u.ran ? seconds(u.wall) : ""), title: "From start to end" },
  { name: "Busy", number: true, sort: (u) => u.busy, cell: (u) => (u.ran ? seconds(u.busy) : ""), title: "Sum of its phases on all slots" },
  { name: "Phases", cell: (u) => phaseStrip(u.phases, u.busy) },
  { name: "Optimise", number: true, sort: (u) => shareOf(u, "optimise"), cell: (u) => (u.busy ? percent(shareOf(u, "optimise"), 1) : "") },
  { name: "Emit", number: true, sort: (u) => shareOf(u, "emit", "backend"), cell: (u) => (u.busy ? percent(shareOf(u, "emit", "backend"), 1) : ""), title: "Machine code, also in link-time backends" },
  { name: "Pieces", number: true, sort: (u) => u.pieces, cell: (u) => u.pieces || "" },
  { name: "Waited", number: true, sort: (u) => u.waited, cell: (u) => (u.waited >= 1000 ? seconds(u.waited) : ""), title: "It or a piece of it was ready, and had no slot or no memory" },
  { name: "For memory", number: true, sort: (u) => u.short, cell: (u) => (u.short >= 1000 ? seconds(u.short) : ""), title: "How much of that for memory", shown: UNITS.some((u) => u.short >= 1000) },
  { name: "Stalled", number: true, sort: (u) => u.stalled, cell: (u) => (u.stalled >= 1000 ? seconds(u.stalled) : ""), title: "Started, but nothing of it ran" },
  { name: "Peak", number: true, sort: (u) => u.peak, cell: (u) => (u.peak ? bytes(u.peak) : ""), title: "Highest memory of its threads" },
  { name: "Result", sort: (u) => u.outcome, cell: (u) => (u.runs > 1 ? `${u.outcome}, run ${u.runs} times` : u.outcome) },
  { name: "Why", sort: (u) => u.reason, cell: (u) => shortened(u.reason, 120) },
].filter((column) => column.shown !== false);
const sorting = { column: COLUMNS.find((column) => column.name === "Wall"), down: true, shown: 30 };

function sortBy(column) {
  sorting.down = sorting.column === column ? !sorting.down : Boolean(column.number);
  sorting.column = column;
  fillUnits();
}

function fillUnits() {
  const { column, down } = sorting;
  const found = UNITS.filter((unit) => !scene.matches || scene.matches[unit.number]);
  const compare = (a, b) => {
    const [x, y] = [column.sort(a), column.sort(b)];
    const order = x < y ? -1 : x > y ? 1 : 0;
    const failedFirst = (b.outcome === "failed") - (a.outcome === "failed");
    return failedFirst || (down ? -order : order) || a.number - b.number;
  };
  found.sort(compare);
  const rows = found.slice(0, sorting.shown).map((unit) => {
    const cells = COLUMNS.map((column) =>
      element(column.header ? "th" : "td", { class: column.number ? "number" : "", ...(column.header && { scope: "row" }) }, column.cell(unit)),
    );
    const row = element("tr", { "data-outcome": unit.outcome }, ...cells);
    if (unit.number === scene.marked) row.className = "marked";
    return row;
  });
  $("units-table").replaceChildren(head(COLUMNS, sorting), element("tbody", {}, ...rows));
  const left = found.length - rows.length;
  $("more").hidden = left === 0;
  $("more").textContent = `Show ${Math.min(left, 200)} more of ${left.toLocaleString("en")}`;
  $("units-note").textContent = `${rows.length.toLocaleString("en")} of ${count(found.length, "unit")}${scene.matches ? " found" : ""}. A heading sorts; a name shows the unit in the picture.`;
  $("found").textContent = scene.matches ? count(found.length, "unit") : "";
}

// What the pointer or the keys are on.
function fillTip(bar) {
  const unit = UNITS[BARS.unit[bar]];
  const time = BARS.end[bar] - BARS.start[bar];
  const line = (...parts) => element("div", {}, ...parts);
  const lines = [
    element("strong", {}, shortened(unit.label, 160)),
    line(`crate ${unit.crate}, ${unit.kind}`),
    line(swatch(BARS.phase[bar]), ` ${DATA.phases[BARS.phase[bar]]} `, element("b", {}, seconds(time))),
  ];
  if (BARS.piece[bar] >= 0 || BARS.source[bar] >= 0) lines.push(line(barName(bar)));
  lines.push(line(`${placeName(bar)}, from ${seconds(BARS.start[bar])}`));
  const parts = [`unit: ${seconds(unit.wall)}`];
  if (unit.busy - unit.wall > 1000) parts.push(`${seconds(unit.busy)} on slots`);
  if (unit.pieces) parts.push(count(unit.pieces, "piece"));
  if (unit.peak) parts.push(`peak ${bytes(unit.peak)}${unit.lease ? ` (lease ${bytes(unit.lease)})` : ""}`);
  lines.push(line(parts.join(", ")));
  if (unit.waited - unit.short >= 1000) lines.push(line(`waited ${seconds(unit.waited - unit.short)} for a slot`));
  if (unit.short >= 1000) lines.push(line(`waited ${seconds(unit.short)} for memory: ${shortage(unit)}`));
  lines.push(line(unit.reason));
  if (BARS.critical[bar]) lines.push(line(element("b", {}, "on the critical path")));
  $("tip").replaceChildren(...lines);
}

// Of its longest wait for memory.
function shortage(unit) {
  const length = ([from, until]) => until - from;
  const waits = unit.waits.filter((wait) => wait.length > 2);
  const [, , need, free, larger] = waits.reduce((a, b) => (length(b) > length(a) ? b : a));
  return `${bytes(need)} needed${free < 0 ? "" : `, ${bytes(free)} free`}${larger ? `, but kept for ${larger}` : ""}`;
}

function fillKillTip([time, worker, by, peak]) {
  const lines = [
    element("strong", {}, "Killed for memory"),
    element("div", {}, `${worker < 0 ? "a command" : `worker ${worker}`}, by ${by}, after ${seconds(time)}`),
  ];
  if (peak) lines.push(element("div", {}, `it had used ${bytes(peak)}`));
  $("tip").replaceChildren(...lines);
}

function sayBar(bar) {
  const time = seconds(BARS.end[bar] - BARS.start[bar]);
  const path = BARS.critical[bar] ? ", on the critical path" : "";
  $("said").textContent =
    `${barName(bar)}, ${DATA.phases[BARS.phase[bar]]}, ${time}, from ${seconds(BARS.start[bar])}, ${placeName(bar)}${path}`;
}
