// Times in the reader's own zone, countdowns, filters that apply at once, copying, and what shows that a page is on its way.
// Every page works without it.
"use strict";

const zoned = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

for (const element of document.querySelectorAll("time[datetime]")) {
  const local = zoned.format(new Date(element.dateTime));
  if ("relative" in element.dataset) element.title = local;
  else element.textContent = local;
}

for (const select of document.querySelectorAll("form[data-filter] select")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(new URL(document.getElementById(button.dataset.copy).value, location).href);
    button.textContent = "Copied";
  });
}

const setLoading = (loading, pressed = null) => {
  document.documentElement.classList.toggle("busy", loading);
  document.getElementById("content").setAttribute("aria-busy", String(loading));
  document.getElementById("progress-text").textContent = loading ? "Loading" : "";
  if (pressed) {
    pressed.disabled = true;
    pressed.classList.add("pressed");
  }
};

document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) event.preventDefault(); // a second press of the same form
  else {
    event.target.dataset.sent = "yes";
    setLoading(true, event.submitter);
  }
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  const here = link && link.origin === location.origin && !link.getAttribute("href").startsWith("#");
  if (here && event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)) setLoading(true);
});

window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return; // the browser's own copy of a page that was left while it loaded
  setLoading(false);
  for (const form of document.forms) delete form.dataset.sent;
  for (const button of document.querySelectorAll("button.pressed")) {
    button.disabled = false;
    button.classList.remove("pressed");
  }
});

for (const timer of document.querySelectorAll("[data-ends]")) {
  const ends = Date.now() + Number(timer.dataset.ends) * 1000;
  const show = () => {
    const minutes = Math.floor((ends - Date.now()) / 60000);
    if (minutes < 0) {
      timer.closest("[data-timer]").remove();
      clearInterval(running);
      return;
    }
    timer.textContent = minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  };
  const running = setInterval(show, 1000);
}
