// Times in the reader's own zone, countdowns, and filters that apply at once. Every page works without it.
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
