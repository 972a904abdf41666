// Pointer, keys, size and colours: what changes the scene. Starts everything.

function resize() {
  const width = $("chart").clientWidth;
  scene.width = Math.max(320, width);
  const most = Math.max(160, Math.round(window.innerHeight * 0.62));
  scene.viewport = Math.min(scene.height, most);
  $("scroll").style.height = `${scene.viewport}px`;
  $("spacer").style.height = `${scene.height}px`;
  redraw();
}

function setTheme(choice) {
  if (choice === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = choice;
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === choice));
  }
  readColours();
  redraw();
}

// A page from a file may have no storage.
function remember(choice) {
  try {
    localStorage.setItem("tender-timings-theme", choice);
  } catch {}
}

function remembered() {
  try {
    return localStorage.getItem("tender-timings-theme") || "auto";
  } catch {
    return "auto";
  }
}

function mark(unit) {
  scene.marked = unit;
  for (const row of document.querySelectorAll("#units-table .marked")) row.classList.remove("marked");
  fillUnits();
  redraw();
}

function goTo(unit) {
  scene.marked = unit.number;
  fillUnits();
  showUnit(unit);
  if (unit.bars.length > 0) reveal(unit.bars[0]);
  $("picture").scrollIntoView({ block: "start" });
}

// Scrolls the rows so that the bar's is visible.
function reveal(bar) {
  const top = scene.rowTop[BARS.row[bar]];
  const box = $("scroll");
  if (top < box.scrollTop) box.scrollTop = top;
  if (top + scene.rowHeight > box.scrollTop + scene.viewport) box.scrollTop = top + scene.rowHeight - scene.viewport;
}

// Shows what is known of a bar beside a point of the window.
function tipAt(bar, x, y) {
  $("tip").hidden = bar < 0;
  if (bar < 0) return;
  fillTip(bar);
  placeTip(x, y);
}

// The same for a mark on the lanes.
function tipOnLanes(event) {
  const box = $("lanes").getBoundingClientRect();
  const kill = killAt(event.clientX - box.left, event.clientY - box.top);
  if (!kill) return;
  $("tip").hidden = false;
  fillKillTip(kill);
  placeTip(event.clientX, event.clientY);
}

function placeTip(x, y) {
  const tip = $("tip");
  const { width, height } = tip.getBoundingClientRect();
  const left = x + 16 + width > window.innerWidth ? x - 16 - width : x + 16;
  const top = y + 16 + height > window.innerHeight ? y - 16 - height : y + 16;
  tip.style.left = `${Math.max(4, left)}px`;
  tip.style.top = `${Math.max(4, top)}px`;
}

function onSlots(event) {
  const box = $("slots").getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top + $("scroll").scrollTop };
}

// The bar at a place of a canvas that shows bars, or -1.
function barOn(canvas, x, y) {
  if (canvas === $("slots")) return barAt(x, y);
  if (canvas === $("path")) return pathAt(x);
  return -1;
}

function listenToPointer() {
  let drag = null;
  const canvases = [$("slots"), $("lanes"), $("axis"), $("path")];
  for (const canvas of canvases) {
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      const { x } = onSlots(event);
      if (x < GUTTER) return;
      drag = { x, from: scene.from, to: scene.to, moves: event.shiftKey || event.pointerType === "touch", far: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      const { x, y } = onSlots(event);
      scene.cursor = x >= GUTTER ? Math.min(DURATION, timeOf(x)) : -1;
      if (drag) {
        drag.far ||= Math.abs(x - drag.x) > 4;
        if (drag.far && drag.moves) {
          const by = ((drag.x - x) / plotWidth()) * (drag.to - drag.from);
          show(drag.from + by, drag.to + by);
        } else if (drag.far) {
          scene.select = [timeOf(drag.x), timeOf(x)];
        }
      }
      const bar = drag && drag.far ? -1 : barOn(canvas, x, y);
      scene.hover = bar;
      tipAt(bar, event.clientX, event.clientY);
      if (canvas === $("lanes") && !(drag && drag.far)) tipOnLanes(event);
      redraw();
    });
    canvas.addEventListener("pointerup", (event) => {
      const { x, y } = onSlots(event);
      if (drag && drag.far && scene.select) {
        const [a, b] = scene.select;
        scene.select = null;
        show(Math.min(a, b), Math.max(a, b));
      } else if (drag && !drag.far) {
        const bar = barOn(canvas, x, y);
        mark(bar < 0 || BARS.unit[bar] === scene.marked ? -1 : BARS.unit[bar]);
      }
      drag = null;
    });
    const cancel = () => {
      drag = scene.select = null;
      redraw();
    };
    canvas.addEventListener("pointercancel", cancel);
    canvas.addEventListener("pointerleave", () => {
      scene.hover = scene.cursor = -1;
      $("tip").hidden = true;
      redraw();
    });
    canvas.addEventListener("dblclick", () => show(0, DURATION));
    const wheel = (event) => {
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        zoom(Math.exp(event.deltaY * 0.0022), timeOf(Math.max(GUTTER, onSlots(event).x)));
      } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        event.preventDefault();
        pan((event.deltaX || event.deltaY) / plotWidth());
      }
    };
    canvas.addEventListener("wheel", wheel, { passive: false });
  }
  $("scroll").addEventListener("scroll", redraw);
  listenToOverview();
}

function listenToOverview() {
  const canvas = $("overview");
  let start = null;
  const time = (event) => {
    const x = event.clientX - canvas.getBoundingClientRect().left;
    return Math.min(1, Math.max(0, (x - GUTTER) / plotWidth())) * DURATION;
  };
  canvas.addEventListener("pointerdown", (event) => {
    start = time(event);
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (start === null) return;
    const now = time(event);
    if (Math.abs(now - start) > (DURATION / plotWidth()) * 3) show(Math.min(start, now), Math.max(start, now));
  });
  canvas.addEventListener("pointerup", (event) => {
    const now = time(event);
    // A click moves what is shown there.
    if (Math.abs(now - start) <= (DURATION / plotWidth()) * 3) show(now - span() / 2, now + span() / 2);
    start = null;
  });
  canvas.addEventListener("dblclick", () => show(0, DURATION));
}

// Moves to another bar, shows it and says what it is.
function stepTo(bar) {
  if (bar < 0) return;
  scene.hover = bar;
  const margin = span() * 0.05;
  if (BARS.start[bar] < scene.from || BARS.end[bar] > scene.to) {
    const from = Math.min(BARS.start[bar] - margin, BARS.end[bar] + margin - span());
    show(from, from + span());
  }
  reveal(bar);
  const box = $("slots").getBoundingClientRect();
  const x = Math.min(Math.max(xOf(BARS.start[bar]), GUTTER), scene.width - RIGHT);
  tipAt(bar, box.left + x, box.top + scene.rowTop[BARS.row[bar]] - $("scroll").scrollTop + scene.rowHeight);
  sayBar(bar);
  redraw();
}

// The bar of a row at the time of another, or the nearest before.
function sameTime(row, bar) {
  if (row < 0 || row >= ROWS) return -1;
  const found = barAfter(row, BARS.start[bar]);
  return Math.min(found, BARS.first[row + 1] - 1);
}

function listenToKeys() {
  $("slots").addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const here = scene.hover >= 0 ? scene.hover : ROWS > 0 ? Math.min(barAfter(0, scene.from), BARS.first[1] - 1) : -1;
    const row = here >= 0 ? BARS.row[here] : -1;
    const keys = {
      "+": () => zoom(0.6),
      "=": () => zoom(0.6),
      "-": () => zoom(1 / 0.6),
      0: () => show(0, DURATION),
      ArrowLeft: () => pan(-0.15),
      ArrowRight: () => pan(0.15),
      Home: () => show(0, span()),
      End: () => show(DURATION - span(), DURATION),
      ArrowUp: () => here >= 0 && stepTo(sameTime(row - 1, here)),
      ArrowDown: () => here >= 0 && stepTo(sameTime(row + 1, here)),
      n: () => here >= 0 && stepTo(scene.hover < 0 ? here : here + 1 < BARS.first[row + 1] ? here + 1 : -1),
      p: () => here >= 0 && stepTo(here > BARS.first[row] ? here - 1 : -1),
      Enter: () => here >= 0 && mark(BARS.unit[here]),
      Escape: () => {
        scene.hover = -1;
        $("tip").hidden = true;
        mark(-1);
      },
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  $("slots").addEventListener("blur", () => {
    scene.hover = -1;
    $("tip").hidden = true;
    redraw();
  });
}

function listenToControls() {
  $("zoom-in").addEventListener("click", () => zoom(0.5));
  $("zoom-out").addEventListener("click", () => zoom(2));
  $("zoom-all").addEventListener("click", () => show(0, DURATION));
  $("show-critical").addEventListener("change", (event) => {
    scene.showCritical = event.target.checked;
    redraw();
  });
  $("search").addEventListener("input", (event) => {
    search(event.target.value);
    fillUnits();
    redraw();
  });
  $("more").addEventListener("click", () => {
    sorting.shown += 200;
    fillUnits();
  });
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.addEventListener("click", () => {
      remember(button.dataset.themeChoice);
      setTheme(button.dataset.themeChoice);
    });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    readColours();
    redraw();
  });
  window.addEventListener("resize", resize);
}

fillSummary();
if (BARS.n === 0) {
  for (const id of ["picture", "critical"]) $(id).hidden = true;
  $("nothing").hidden = false;
  $("nothing").textContent =
    UNITS.length === 0
      ? `Nothing to do: ${DATA.about.fresh === 1 ? "the one item was" : `all ${DATA.about.fresh} items were`} up to date.`
      : "Nothing ran.";
}
$("units").hidden = UNITS.length === 0;
fillLegend();
fillCritical();
fillUnits();
layOut();
setTheme(remembered());
resize();
listenToPointer();
listenToKeys();
listenToControls();
