// Adds to links and forms. Every page works without it.
"use strict";

const wait = 200; // milliseconds after the last key
const form = document.getElementById("filters");
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

function originalOf(address) {
  const url = new URL(address);
  if (url.pathname.startsWith("/t/p/")) return address.replace(/\/t\/p\/w\d+\//, "/t/p/original/");
  return url.searchParams.get("url");
}

addEventListener("error", (event) => {
  if (event.target instanceof HTMLImageElement && event.target.closest(".poster")) replaceBroken(event.target);
}, true);

// Shows moments in the viewer's time zone. A day alone has no zone.
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
  list?.replaceChildren(...days.values());
}

localise(document);

// Those that failed before this script ran.
for (const image of document.querySelectorAll(".poster img")) {
  if (image.complete && !image.naturalWidth && image.loading !== "lazy") replaceBroken(image);
}

// Leads back to the wall with its filters, loaded pages and scroll position.
document.querySelector(".back a")?.addEventListener("click", (event) => {
  if (document.referrer.split("?")[0] !== event.currentTarget.href) return;
  event.preventDefault();
  history.back();
});

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
  const chosen = [...new FormData(form)].filter(([, value]) => value.trim() !== "");
  const query = new URLSearchParams(chosen).toString();
  return form.action + (query ? `?${query}` : "");
}

// Replaces the titles. Text and focus in the filters stay.
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

// Adds the next page when its link is near.
const nearEnd = new IntersectionObserver(async (entries) => {
  const link = entries.find((entry) => entry.isIntersecting)?.target;
  if (!link) return;
  nearEnd.unobserve(link);
  link.setAttribute("aria-busy", "true");
  const list = document.getElementById("titles");
  const page = await fetchWall(link.href).catch(() => null);
  if (!link.isConnected) return; // other titles were shown meanwhile
  link.removeAttribute("aria-busy");
  if (page === null) return; // the link stays
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
    // A typed letter is not a step of the browser's history.
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
