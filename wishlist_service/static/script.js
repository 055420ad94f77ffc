// What the pages do beyond links and forms. Everything essential works without it.
"use strict";

const wait = 200; // milliseconds after the last key
const form = document.getElementById("filters");
let asking = null; // the request under way for other titles

// ---- posters and times ----------------------------------------------------------------------------------------

// Behind each poster is a drawn tile. A poster that does not load makes way for it.
addEventListener("error", (event) => {
  if (event.target instanceof HTMLImageElement) event.target.remove();
}, true);

// Moments in the viewer's zone; a day alone has none.
const shapes = { moment: { dateStyle: "medium", timeStyle: "short" }, clock: { timeStyle: "short" } };

function localise(root) {
  regroup(root);
  for (const time of root.querySelectorAll("time[datetime]")) {
    const isDay = time.dateTime.length === 10;
    const moment = new Date(time.dateTime);
    const shape = shapes[time.dataset.show] ?? { dateStyle: "long", timeZone: isDay ? "UTC" : undefined };
    time.textContent = moment.toLocaleString(undefined, shape);
    if (!isDay) time.title = moment.toLocaleString();
  }
}

// The history's days begin at the viewer's midnight, not at that of UTC.
function regroup(root) {
  const list = root.querySelector("#days");
  const sample = list?.querySelector(".day");
  const days = new Map();
  for (const line of list?.querySelectorAll("li") ?? []) {
    const day = new Date(line.querySelector("time").dateTime).toLocaleDateString("sv"); // which is written 2026-11-24
    if (!days.has(day)) {
      const section = sample.cloneNode(true);
      section.querySelector("time").dateTime = day;
      section.querySelector("ol").replaceChildren();
      days.set(day, section);
    }
    days.get(day).querySelector("ol").append(line);
  }
  list?.replaceChildren(...days.values());
}

function removeBroken(root) {
  for (const image of root.querySelectorAll(".poster img")) {
    if (image.complete && !image.naturalWidth && image.loading !== "lazy") image.remove();
  }
}

localise(document);
removeBroken(document);

// Back to the wall as it was left: filters, pages and place.
document.querySelector(".back a")?.addEventListener("click", (event) => {
  if (document.referrer.split("?")[0] !== event.currentTarget.href) return;
  event.preventDefault();
  history.back();
});

// ---- the wall -------------------------------------------------------------------------------------------------

// The wall at this address; null where there is none, but the way to sign in: then that is gone to.
async function fetchWall(address, signal) {
  const reply = await fetch(address, { signal, headers: { Accept: "text/html" } });
  if (reply.status === 429 || reply.status >= 500) throw new Error("not now"); // nobody is to lose the wall for it
  const page = new DOMParser().parseFromString(await reply.text(), "text/html");
  if (page.getElementById("results") === null) {
    location.assign(reply.url);
    return null;
  }
  localise(page);
  return page;
}

function addressOfFilters() {
  const chosen = [...new FormData(form)].filter(([, value]) => value.trim() !== "");
  const query = new URLSearchParams(chosen).toString();
  return form.action + (query ? `?${query}` : "");
}

// Shows other titles in place of these; what is typed and focused stays.
async function show(address) {
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  try {
    const page = await fetchWall(address, signal);
    if (page === null || signal.aborted) return false;
    for (const id of ["results", "clear"]) {
      document.getElementById(id).replaceWith(document.adoptNode(page.getElementById(id)));
    }
    document.getElementById("count").textContent = page.getElementById("count").textContent;
    watchEnd();
    return true;
  } catch (error) {
    if (error.name !== "AbortError") document.getElementById("count").textContent = "The service does not answer. Try again in a moment.";
    return false;
  }
}

// Adds the next page when its link comes near.
const nearEnd = new IntersectionObserver(async (entries) => {
  const link = entries.find((entry) => entry.isIntersecting)?.target;
  if (!link) return;
  nearEnd.unobserve(link);
  link.setAttribute("aria-busy", "true");
  const list = document.getElementById("titles");
  const page = await fetchWall(link.href).catch(() => null);
  if (!link.isConnected) return; // other titles are shown by now
  link.removeAttribute("aria-busy");
  if (page === null) return; // it stays a link
  list.append(...page.querySelectorAll("#titles > li"));
  const following = page.getElementById("more");
  if (following) link.replaceWith(document.adoptNode(following));
  else link.parentElement.remove();
  watchEnd();
}, { rootMargin: "1200px" });

function watchEnd() {
  const link = document.getElementById("more");
  if (link) nearEnd.observe(link);
}

if (form) {
  let timer = 0;
  const typed = () => {
    // each letter is no step to go back to
    const address = addressOfFilters();
    if (address === location.href) return;
    history.replaceState(null, "", address);
    show(address);
  };
  const chosen = () => {
    clearTimeout(timer);
    const address = addressOfFilters();
    if (address === location.href) return;
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
  });
  addEventListener("popstate", () => location.reload());
  watchEnd();
}

// ---- waiting for the first sync, or for somebody to agree -----------------------------------------------------

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

// ---- what goes on ---------------------------------------------------------------------------------------------

// A part of the page that says data-live is shown anew every second until it no longer does, and with it the parts
// that it names there.
async function follow(id) {
  const part = document.getElementById(id);
  if (!part?.hasAttribute("data-live")) return;
  const names = [id, ...part.dataset.live.split(" ")];
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const reply = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (reply?.redirected) return location.reload(); // to the way to sign in
  const page = new DOMParser().parseFromString((await reply?.text()) ?? "", "text/html");
  if (page.getElementById(id)) {
    localise(page);
    for (const name of names) {
      const [here, fresh] = [document.getElementById(name), page.getElementById(name)];
      if (here.innerHTML === fresh.innerHTML && here.dataset.live === fresh.dataset.live) continue;
      if (fresh.getAttribute("role") === "status") here.textContent = fresh.textContent; // replaced, it is not read out
      else here.replaceWith(document.adoptNode(fresh));
    }
  }
  follow(id);
}

follow("sync");

// ---- addresses to copy ----------------------------------------------------------------------------------------

for (const button of document.querySelectorAll(".copy")) {
  button.addEventListener("click", async () => {
    const code = button.parentElement.querySelector("code");
    getSelection().selectAllChildren(code);
    // the clipboard is for pages that come by TLS; the old way works for the others
    const copied = (await navigator.clipboard?.writeText(code.textContent).then(() => true, () => false)) || document.execCommand("copy");
    const said = document.getElementById("copied");
    said.textContent = copied ? "Copied." : "Selected: copy it with the keyboard.";
    button.firstChild.data = copied ? "Copied" : "Selected";
    setTimeout(() => { button.firstChild.data = "Copy"; said.textContent = ""; }, 3000);
  });
}
