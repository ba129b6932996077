// What the pages do beyond showing: copy, thumbs, a document inside the chat, the region kept on this device, new answers found. No other script is ours.
const kfKeep = (place) => { try { localStorage.setItem("kf-region", place); } catch { /* a frame may have no storage */ } };
const kfKept = () => { try { return localStorage.getItem("kf-region"); } catch { return null; } };
const kfBusy = (button, text) => {
  button.dataset.label ??= button.textContent;  // once: a second tap comes while the button says "Copied"
  button.textContent = text;
  setTimeout(() => { button.textContent = button.dataset.label; }, 1800);
};
const kfSay = (text) => { const live = document.querySelector("#kf-live"); if (live) live.textContent = text; };

async function kfCopy(button) {
  const text = button.dataset.copy.replaceAll("\n/read/", `\n${location.origin}/read/`);
  try { await navigator.clipboard.writeText(text); }
  catch {
    const area = Object.assign(document.createElement("textarea"), { value: text });
    document.body.append(area); area.select(); document.execCommand("copy"); area.remove();
  }
  kfBusy(button, button.dataset.done); kfSay(button.dataset.done);
}
async function kfFeedback(button) {
  const told = JSON.parse(button.dataset.feedback), message = button.closest("[data-message]")?.dataset.message;
  const sent = await fetch("/feedback", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(message ? { ...told, message } : told) })
    .then((answer) => answer.ok, () => false);
  kfBusy(button, sent ? button.dataset.done : button.dataset.failed); kfSay(sent ? button.dataset.done : button.dataset.failed);
  if (sent) button.closest(".kf-actions").querySelectorAll("[data-feedback]").forEach((one) => { one.disabled = true; });
}
// "Change it" puts the searched words into the box; an example and "search only what I typed" send theirs.
function kfAsk(text, send) {
  const box = document.querySelector("#kf-ask textarea, #kf-ask input");
  Object.getOwnPropertyDescriptor(Object.getPrototypeOf(box), "value").set.call(box, text);
  box.dispatchEvent(new Event("input", { bubbles: true }));
  if (send) setTimeout(() => document.querySelector("#kf-ask button")?.click(), 50); else box.focus();
}
// "Read in context": the document's own page, shown in a dialog over the chat. Without a script the link opens it in a new tab.
async function kfContext(link) {
  const answer = await fetch(link.href).catch(() => null);
  if (!answer?.ok) { window.open(link.href, "_blank", "noopener"); return; }
  const main = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
  const dialog = document.createElement("dialog"), close = document.createElement("button");
  const body = document.createElement("div"), head = document.createElement("div"), title = document.createElement("strong");
  title.textContent = main.querySelector("h1").textContent;  // in sight while the passage, far below it, is read
  dialog.className = "kf-dialog kf-page"; dialog.setAttribute("aria-label", title.textContent);
  body.className = main.className; body.append(...main.childNodes); head.className = "kf-close";
  body.querySelectorAll("a[href^='/']").forEach((one) => { one.target = "_blank"; one.rel = "noopener"; });
  Object.assign(close, { type: "button", className: "kf-button", textContent: link.dataset.close, onclick: () => dialog.close() });
  head.append(title, close); dialog.append(head, body);
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => { dialog.remove(); link.focus(); });
  document.body.append(dialog); dialog.showModal();
  const passage = body.querySelector("#passage");
  if (passage) { passage.focus({ preventScroll: true }); passage.scrollIntoView({ block: "center" }); }
}
document.addEventListener("click", (event) => {
  const found = (selector) => event.target.closest?.(selector);
  if (found("[data-copy]")) kfCopy(found("[data-copy]"));
  else if (found("[data-feedback]")) kfFeedback(found("[data-feedback]"));
  else if (found("[data-edit]")) kfAsk(found("[data-edit]").dataset.edit, false);
  else if (found("[data-ask]")) kfAsk(found("[data-ask]").dataset.ask, true);
  else if (found("[data-help]") && document.querySelector("#kf-help")) { event.preventDefault(); document.querySelector("#kf-help").click(); }
  else if (found("a[data-context]") && !event.ctrlKey && !event.metaKey && !event.shiftKey) { event.preventDefault(); kfContext(found("a[data-context]")); }
  else if (found(".kf-skip[href='#kf-ask']")) { event.preventDefault(); document.querySelector("#kf-ask textarea").focus(); }
});
window.addEventListener("beforeprint", () => document.querySelectorAll("details:not(.kf-entry *, .kf-report)").forEach((part) => { part.open = true; }));
// "I need help now" in the browser's own language, where the page knows it.
const kfTongue = () => document.querySelectorAll("[data-words]").forEach((link) => {
  const words = JSON.parse(link.dataset.words), tongue = navigator.language.slice(0, 2);
  if (!words[tongue]) document.documentElement.lang = "en";  // Gradio names the browser's language, though it then shows English
  else if (link.lang !== tongue) { link.textContent = words[tongue]; link.lang = tongue; link.dir = "auto"; }
});
document.addEventListener("DOMContentLoaded", () => {
  kfTongue();
  const kept = kfKept(), blocks = [...document.querySelectorAll("[data-region]")];
  if (blocks.some((block) => block.dataset.region === kept)) blocks.forEach((block) => { block.hidden = block.dataset.region !== kept; });
  document.querySelector(".kf-page #passage")?.scrollIntoView({ block: "center" });
});
// A new answer: its question scrolls to the top, the reader's place moves to it, and its first words are said. Gradio's own parts get what they lack.
let kfShown = 0, kfHelp = new URLSearchParams(location.search).has("help");
function kfMend() {
  const way = navigator.language.startsWith("ar") ? "rtl" : "ltr";  // of Gradio's own parts, which it marks "ltr" in every language
  document.querySelectorAll("#kf-ask, #kf-region, :is(#kf-ask, #kf-region) span[dir], :is(#kf-tagline, #kf-foot) .prose").forEach((part) => { if (part.dir !== way) part.dir = way; });
  document.querySelector("#kf-ask textarea:not([dir=auto])")?.setAttribute("dir", "auto");
  kfTongue();
  const log = document.querySelector("#kf-chat [role=log]");
  if (log && log.getAttribute("aria-live") !== "off") log.setAttribute("aria-live", "off");  // it would read whole cards; #kf-live says their first words
  const help = document.querySelector("#kf-help");
  if (kfHelp && help) { kfHelp = false; setTimeout(() => help.click(), 300); }
}
new MutationObserver(() => {
  kfMend();
  const replies = document.querySelectorAll(".kf-reply"), last = replies[replies.length - 1];
  if (replies.length > kfShown) {
    const rows = document.querySelectorAll("#kf-chat .user-row, #kf-chat .user"), target = rows[rows.length - 1] || last;
    document.querySelectorAll(".kf-next").forEach((part) => { part.hidden = !last.contains(part); });  // Gradio shows next questions below the last answer only
    target.scrollIntoView({ block: "start" });
    last.focus({ preventScroll: true });
    const figure = last.querySelector(".kf-quote"), parts = [...last.querySelectorAll(":scope > .kf-banner h2"), ...(figure?.querySelectorAll("h3, mark") ?? [])];
    kfSay(parts.map((part) => part.textContent).join(" ").replace(/ (?=[.,;:])/g, ""));
  }
  kfShown = replies.length;
}).observe(document.documentElement, { childList: true, subtree: true });
