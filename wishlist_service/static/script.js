// Adds to links and forms. Every page works without it.
"use strict";

const wait = 200; // milliseconds after the last key
const undoSeconds = 8;
const form = document.getElementById("filters");
const onWall = document.getElementById("results") !== null;
let asking = null; // the running request for other titles

// ---- posters and times -----------------------------------------------------------------------------------------

// A poster that does not load is asked for in its original size, which the address of the small one names. If that
// does not load either, it is removed: behind each poster is a drawn tile.
function replaceBroken(image) {
  const original = originalOf(image.currentSrc || image.src);
  image.removeAttribute("srcset");
  if (original && image.dataset.original === undefined) image.src = image.dataset.original = original;
  else image.remove();
}

// From where pages may load images. Others come through the resizer alone.
const imageOrigins = document.currentScript.dataset.images.split(" ");

function originalOf(address) {
  const url = new URL(address);
  if (url.pathname.startsWith("/t/p/")) return address.replace(/\/t\/p\/w\d+\//, "/t/p/original/");
  const original = url.searchParams.get("url") ?? "";
  return imageOrigins.some((origin) => original.startsWith(`${origin}/`)) ? original : null;
}

addEventListener("error", (event) => {
  if (event.target instanceof HTMLImageElement && event.target.closest(".poster, .backdrop")) replaceBroken(event.target);
}, true);

// Shows moments in the viewer's time zone, in the form that the page came with, so that nothing moves. A day alone has
// no zone. A moment counts on while the page is open.
const dayForm = { day: "numeric", month: "short", year: "numeric" };
const clockForm = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };

function relative(moment) {
  const seconds = Math.round((Date.now() - moment) / 1000);
  const size = Math.abs(seconds);
  if (size >= 7 * 86400) return moment.toLocaleDateString("en-GB", dayForm).replace("Sept", "Sep");
  if (size < 60) return seconds < 0 ? "in a moment" : "just now";
  const [unit, length] = size < 3600 ? ["min", 60] : size < 86400 ? ["h", 3600] : ["d", 86400];
  const count = Math.floor(size / length);
  return seconds < 0 ? `in ${count}\u00a0${unit}` : `${count}\u00a0${unit} ago`;
}

function localise(root) {
  regroup(root);
  for (const time of root.querySelectorAll("time[datetime]")) {
    const isDay = time.dateTime.length === 10;
    const moment = new Date(time.dateTime);
    if (time.dataset.show === "moment") time.textContent = relative(moment);
    else if (time.dataset.show === "clock") time.textContent = moment.toLocaleTimeString("en-GB", clockForm);
    else time.textContent = moment.toLocaleDateString("en-GB", { ...dayForm, timeZone: isDay ? "UTC" : undefined }).replace("Sept", "Sep");
    if (!isDay) time.title = moment.toLocaleString(undefined, { dateStyle: "long", timeStyle: "long" });
  }
}

// The days of the history start at the viewer's midnight, not at midnight in UTC.
function regroup(root) {
  const list = root.querySelector("#days");
  const sample = list?.querySelector(".day");
  const days = new Map();
  for (const line of list?.querySelectorAll("li") ?? []) {
    const day = new Date(line.querySelector("time").dateTime).toLocaleDateString("sv"); // Swedish dates look like 2026-11-24
    if (!days.has(day)) {
      const section = sample.cloneNode(true);
      section.querySelector("time").dateTime = day;
      section.querySelector("ol").replaceChildren();
      days.set(day, section);
    }
    days.get(day).querySelector("ol").append(line);
  }
  if (!list) return;
  list.replaceChildren(...days.values());
  list.dataset.zone = "viewer";
}

localise(document);
setInterval(() => {
  for (const time of document.querySelectorAll("time[data-show=moment]")) time.textContent = relative(new Date(time.dateTime));
}, 30_000);

// Those that failed before this script ran.
for (const image of document.querySelectorAll(".poster img, .backdrop img")) {
  if (image.complete && !image.naturalWidth && image.loading !== "lazy") replaceBroken(image);
}

// ---- the wall --------------------------------------------------------------------------------------------------

// Returns the wall at this address. If the reply is another page (to sign in), opens it and returns null.
async function fetchWall(address, signal) {
  const reply = await fetch(address, { signal, headers: { Accept: "text/html" } });
  if (reply.status === 429 || reply.status >= 500) throw new Error("try later"); // keeps the wall
  const page = new DOMParser().parseFromString(await reply.text(), "text/html");
  if (page.getElementById("results") === null) {
    location.assign(reply.url);
    return null;
  }
  localise(page);
  return page;
}

function addressOfFilters() {
  const chosen = [...new FormData(form)].filter(([name, value]) => value.trim() !== "" && (name !== "seed" || form.elements.sort.value === "random"));
  const query = new URLSearchParams(chosen).toString();
  return form.action.split("?")[0] + (query ? `?${query}` : "");
}

const withoutHash = (address) => address.split("#")[0];
let shown = withoutHash(location.href);

// Replaces the titles. Text and focus in the filters stay.
async function show(address) {
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  shown = withoutHash(address);
  const results = document.getElementById("results");
  results.setAttribute("aria-busy", "true");
  try {
    const page = await fetchWall(address, signal);
    if (page === null || signal.aborted) return;
    for (const id of ["results", "clear"]) {
      document.getElementById(id).replaceWith(document.adoptNode(page.getElementById(id)));
    }
    for (const each of ["#count", ".found", ".to-sheet"]) {
      document.querySelector(each).textContent = page.querySelector(each).textContent;
    }
    document.title = page.title;
    watchEnd();
  } catch (error) {
    if (error.name === "AbortError") return;
    results.removeAttribute("aria-busy");
    tellFailure(results, address);
  }
}

// Says at the top of the titles that they could not be changed.
function tellFailure(results, address) {
  results.querySelector(".failure")?.remove();
  const told = document.createElement("p");
  told.className = "failure error line";
  told.setAttribute("role", "alert");
  const again = document.createElement("button");
  again.type = "button";
  again.className = "second";
  again.textContent = "Try again";
  again.addEventListener("click", () => show(address));
  told.append("The service does not answer. ", again);
  results.prepend(told);
  told.scrollIntoView({ block: "nearest" });
}

// Adds the next page when its link is near.
const nearEnd = new IntersectionObserver((entries) => {
  const link = entries.find((entry) => entry.isIntersecting)?.target;
  if (link) addNext(link);
}, { rootMargin: "1200px" });

// Returns whether there is another page after the one that was added.
async function addNext(link) {
  nearEnd.unobserve(link);
  link.setAttribute("aria-busy", "true");
  const list = document.getElementById("titles");
  const page = await fetchWall(link.href).catch(() => null);
  if (!link.isConnected) return false; // other titles were shown meanwhile
  link.removeAttribute("aria-busy");
  if (page === null) return false; // the link stays
  page.getElementById("first")?.removeAttribute("id");
  list.append(...page.querySelectorAll("#titles > li"));
  const following = page.getElementById("more");
  if (following) link.replaceWith(document.adoptNode(following));
  else link.parentElement.remove();
  watchEnd();
  return following !== null;
}

function watchEnd() {
  const link = document.getElementById("more");
  if (link) nearEnd.observe(link);
}

if (form && onWall) {
  let timer = 0;
  const sheetIsOpen = () => location.hash === "#sheet";
  const typed = () => {
    // A typed letter is not a step of the browser's history.
    const address = addressOfFilters();
    if (address === shown) return;
    history.replaceState(null, "", address + (sheetIsOpen() ? "#sheet" : ""));
    show(address);
  };
  const chosen = () => {
    clearTimeout(timer);
    const address = addressOfFilters();
    if (address === shown) return;
    if (sheetIsOpen()) return typed(); // one step back closes the sheet
    history.pushState(null, "", address);
    show(address);
  };
  form.addEventListener("input", (event) => {
    if (!["search", "number"].includes(event.target.type)) return;
    clearTimeout(timer);
    timer = setTimeout(() => form.checkValidity() && typed(), wait);
  });
  form.addEventListener("change", (event) => {
    if (!["search", "number"].includes(event.target.type)) chosen();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    chosen();
    if (sheetIsOpen()) location.replace("#filters");
  });
  // The skip link and the sheet change the address, too, but not the titles.
  addEventListener("popstate", () => { if (withoutHash(location.href) !== shown) location.reload(); });
  watchEnd();
}

// ---- the place on the wall -------------------------------------------------------------------------------------

// Address, loaded titles and scroll position of the wall outlive a reload, and a change on a title's page.
const placeOfWall = () => JSON.parse(sessionStorage.getItem("wall") ?? "null");

if (onWall) {
  addEventListener("pagehide", () => {
    const count = document.querySelectorAll("#titles > li").length;
    sessionStorage.setItem("wall", JSON.stringify({ address: shown, count, y: scrollY }));
  });
  restorePlace();
}

async function restorePlace() {
  const place = placeOfWall();
  const came = performance.getEntriesByType("navigation")[0]?.type;
  const returns = sessionStorage.getItem("returns") !== null || came === "reload" || came === "back_forward";
  sessionStorage.removeItem("returns");
  if (!returns || place?.address !== shown) return;
  history.scrollRestoration = "manual";
  let link = document.getElementById("more");
  while (link && document.querySelectorAll("#titles > li").length < place.count && (await addNext(link))) {
    link = document.getElementById("more");
  }
  scrollTo(0, place.y);
  history.scrollRestoration = "auto";
}

document.querySelector(".to-wall a")?.addEventListener("click", (event) => {
  const place = placeOfWall();
  if (event.ctrlKey || event.metaKey || event.shiftKey || place === null) return;
  event.preventDefault();
  if (withoutHash(document.referrer) === place.address) return history.back(); // the browser may have kept the page
  sessionStorage.setItem("returns", "1");
  location.assign(place.address);
});

// ---- undo ------------------------------------------------------------------------------------------------------

// Shows what is done, with a button that undoes it. `over` is called when its time is over or the page is left.
function offerUndo(text, undo, over) {
  const bar = document.createElement("div");
  bar.className = "undo";
  bar.setAttribute("role", "status");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Undo";
  bar.append(text, button);
  document.body.append(bar);
  let left = undoSeconds;
  let done = false;
  const end = (act) => {
    if (done) return;
    done = true;
    clearInterval(counting);
    bar.remove();
    act();
  };
  const counting = setInterval(() => {
    if (bar.matches(":hover, :focus-within")) return;
    left -= 0.25;
    if (left <= 0) end(() => over(false));
  }, 250);
  button.addEventListener("click", () => end(undo));
  addEventListener("pagehide", () => end(() => over(true)));
}

for (const each of document.querySelectorAll("form[data-undo]")) {
  // Already done: the page says so, and its button does the opposite.
  const told = sessionStorage.getItem("done");
  if (told !== new URL(each.action).pathname) continue;
  sessionStorage.removeItem("done");
  offerUndo(each.dataset.undo, () => each.requestSubmit(), () => {});
}

document.querySelector("form[data-dismisses]")?.addEventListener("submit", (event) => {
  sessionStorage.setItem("done", new URL(event.target.action).pathname.replace(/dismiss$/, "restore"));
});

document.querySelector("form[data-later]")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const asked = event.target;
  const button = asked.querySelector("button");
  button.disabled = true;
  offerUndo(asked.dataset.later, () => { button.disabled = false; button.focus(); }, (leaves) => {
    if (leaves) navigator.sendBeacon(asked.action, new URLSearchParams());
    else asked.submit();
  });
});

// ---- one's own watchlist ---------------------------------------------------------------------------------------

// Replaces the card, so that the place on the wall stays. Elsewhere the page loads again.
document.getElementById("want")?.addEventListener("submit", async (event) => {
  const button = event.submitter;
  const card = button?.closest("#titles > li");
  if (!card) return;
  event.preventDefault();
  card.querySelector(".error")?.remove();
  button.disabled = true;
  const reply = await fetch(button.formAction, { method: "POST", body: new URLSearchParams({ show: "card" }) }).catch(() => null);
  if (reply?.redirected) return location.assign(reply.url); // to sign in
  const page = new DOMParser().parseFromString((await reply?.text()) ?? "", "text/html");
  const fresh = reply?.ok && page.querySelector("li");
  if (fresh) {
    const link = fresh.querySelector("a");
    if (card.querySelector("#first")) link.id = "first";
    card.replaceWith(document.adoptNode(fresh));
    link.focus({ preventScroll: true });
    document.querySelector("#want [role=status]").textContent = `${link.querySelector(".name").textContent} is on your watchlist.`;
    return;
  }
  button.disabled = false;
  const told = document.createElement("p");
  told.className = "error";
  told.setAttribute("role", "alert");
  told.textContent = page.querySelector("main p")?.textContent ?? "The service does not answer. Try again.";
  button.after(told);
});

// ---- keys ------------------------------------------------------------------------------------------------------

const singleKeys = () => localStorage.getItem("keys") !== "off";

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { target, key } = event;
  if (key === "Escape") return leave(target);
  if (onTelevision && !target.closest("dialog") && (key.startsWith("Arrow") || key === "Enter")) return useRemote(event);
  if (target.closest("input:not([type=checkbox], [type=radio]), select, textarea, dialog")) return;
  if (key.startsWith("Arrow")) return move(event);
  const search = document.querySelector("input[type=search]");
  if (key === "/" && search && singleKeys()) {
    event.preventDefault();
    search.focus();
  } else if (key === "?" && (singleKeys() || event.target === document.body)) {
    event.preventDefault();
    tellKeys();
  }
});

// Clears the search, or closes the sheet or the names that are open.
function leave(target) {
  if (target.type === "search" && target.value !== "") {
    target.value = "";
    target.dispatchEvent(new Event("input", { bubbles: true }));
  } else if (location.hash === "#sheet") location.replace("#filters");
  document.querySelectorAll("details.who[open]").forEach((each) => { each.open = false; });
}

// Moves from poster to poster: to the nearest one in the row above or below.
function move(event) {
  const here = document.activeElement?.closest(".wall > li > a");
  if (!here) return; // the page scrolls
  const all = [...document.querySelectorAll(".wall > li > a")];
  const place = here.getBoundingClientRect();
  const at = all.indexOf(here);
  let next;
  if (event.key === "ArrowLeft") next = all[at - 1];
  else if (event.key === "ArrowRight") next = all[at + 1];
  else {
    const down = event.key === "ArrowDown";
    const others = down ? all.slice(at + 1) : all.slice(0, at).reverse();
    const first = others.map((link) => [link, link.getBoundingClientRect()]).find(([, box]) => (down ? box.top >= place.bottom - 4 : box.bottom <= place.top + 4));
    const row = first && others.filter((link) => Math.abs(link.getBoundingClientRect().top - first[1].top) < 4);
    const distance = (link) => Math.abs(link.getBoundingClientRect().left - place.left);
    next = row?.sort((one, other) => distance(one) - distance(other))[0];
  }
  if (!next) return;
  event.preventDefault();
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

// On a television the arrows move to whatever is nearest in their direction, and Enter ticks a box or opens a list.
const onTelevision = document.documentElement.classList.contains("tv");

function useRemote(event) {
  const { key, target } = event;
  const typing = target.closest("input:not([type=checkbox], [type=radio]), textarea");
  if (typing && key !== "ArrowUp" && key !== "ArrowDown") return;
  if (key === "Enter") {
    if (target.matches("[type=checkbox], [type=radio]")) target.click();
    else if (target.matches("select")) target.showPicker?.();
    else return; // links and buttons know it
    return event.preventDefault();
  }
  const [along, across, forward] = { ArrowUp: ["y", "x", -1], ArrowDown: ["y", "x", 1], ArrowLeft: ["x", "y", -1], ArrowRight: ["x", "y", 1] }[key];
  const edges = (box) => ({ x: [box.left, box.right], y: [box.top, box.bottom] });
  const gap = ([start, end], [from, to]) => Math.max(start - to, from - end, 0);
  const here = edges(target === document.body ? { left: 0, right: 0, top: 0, bottom: 0 } : target.getBoundingClientRect());
  let next, best = Infinity;
  for (const each of document.querySelectorAll("a[href], button, select, summary, input")) {
    const box = each.getBoundingClientRect();
    if (each === target || each.matches(".skip") || box.width < 2) continue;
    const there = edges(box);
    const ahead = forward > 0 ? there[along][0] - here[along][1] : here[along][0] - there[along][1];
    if (ahead < -4) continue;
    const distance = ahead + 3 * gap(here[across], there[across]) + Math.abs(here[across][0] - there[across][0]) / 10;
    if (distance < best) [next, best] = [each, distance];
  }
  if (!next) return; // the page scrolls
  event.preventDefault();
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

// The list of keys, with the switch that turns the single ones off.
function tellKeys() {
  let told = document.getElementById("keys");
  if (told === null) {
    told = document.createElement("dialog");
    told.id = "keys";
    told.setAttribute("aria-labelledby", "keys-heading");
    told.innerHTML = `<h2 id="keys-heading">Keys</h2>
      <dl><dt>Arrows</dt><dd>from poster to poster</dd><dt>/</dt><dd>search</dd><dt>Esc</dt><dd>clear the search, or close</dd><dt>?</dt><dd>this list</dd></dl>
      <label><input type="checkbox"> Use the keys / and ?</label>
      <form method="dialog"><button class="second">Close</button></form>`;
    document.body.append(told);
    const all = told.querySelector("input");
    all.checked = singleKeys();
    all.addEventListener("change", () => localStorage.setItem("keys", all.checked ? "on" : "off"));
  }
  told.showModal();
}

// ---- waiting for the first sync, or for a sign-in --------------------------------------------------------------

if (document.getElementById("waiting")) {
  const look = setInterval(async () => {
    const reply = await fetch(location.href).catch(() => null);
    const text = reply?.ok || reply?.status === 404 ? await reply.text() : "";
    if (text && !text.includes('id="waiting"')) {
      clearInterval(look);
      location.reload();
    }
  }, 3000);
}

// ---- a running sync --------------------------------------------------------------------------------------------

// An element with data-live is refreshed every second until the attribute is gone, together with the elements that
// the attribute names.
async function follow(id) {
  const part = document.getElementById(id);
  if (!part?.hasAttribute("data-live")) return;
  const names = [id, ...part.dataset.live.split(" ")];
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const reply = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (reply?.redirected) return location.reload(); // to sign in
  const page = new DOMParser().parseFromString((await reply?.text()) ?? "", "text/html");
  if (page.getElementById(id)) {
    localise(page);
    for (const name of names) {
      const [here, fresh] = [document.getElementById(name), page.getElementById(name)];
      if (here.innerHTML === fresh.innerHTML && here.dataset.live === fresh.dataset.live) continue;
      if (fresh.getAttribute("role") === "status") here.textContent = fresh.textContent; // screen readers read changed text, not a new element
      else here.replaceWith(document.adoptNode(fresh));
    }
  }
  follow(id);
}

follow("sync");

// ---- forms that need no button ---------------------------------------------------------------------------------

document.querySelector(".watching")?.addEventListener("change", (event) => event.currentTarget.requestSubmit());

// ---- addresses to copy -----------------------------------------------------------------------------------------

for (const button of document.querySelectorAll(".copy")) {
  button.addEventListener("click", async () => {
    const code = button.parentElement.querySelector("code");
    getSelection().selectAllChildren(code);
    // Browsers offer the clipboard over TLS only. Over HTTP the old command works.
    const copied = (await navigator.clipboard?.writeText(code.textContent).then(() => true, () => false)) || document.execCommand("copy");
    const said = document.getElementById("copied");
    said.textContent = copied ? "Copied." : "Selected. Copy it with the keyboard.";
    button.firstChild.data = copied ? "Copied" : "Selected";
    setTimeout(() => { button.firstChild.data = "Copy"; said.textContent = ""; }, 3000);
  });
}
