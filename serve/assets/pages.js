// What is alive on the pages. Each of them works without it.

// The part of a page that asks for itself again waits while somebody reads or works in it.
document.addEventListener("htmx:before:request", (event) => {
  const live = document.getElementById("live")
  const busy = document.hidden || live.contains(document.activeElement) || live.querySelector("[data-touched]") || document.querySelector("dialog[open]") || String(getSelection()).length > 0
  if (event.target === live && busy) event.preventDefault()
})
document.addEventListener("toggle", (event) => { if (event.target.matches("#live details")) event.target.toggleAttribute("data-touched", event.target.open) }, true)

// Filters of tables: a line stays when it has all the words.
function wire() {
  for (const input of document.querySelectorAll("[data-filter]")) {
    if (input.dataset.wired) continue
    input.dataset.wired = "yes"
    input.closest(".find").hidden = false
    const said = input.closest(".find").querySelector("[role=status]")
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean)
      let shown = 0, all = 0
      for (const row of document.querySelectorAll(input.dataset.filter)) {
        all++
        row.hidden = !words.every((w) => row.textContent.toLowerCase().includes(w))
        if (!row.hidden) shown++
      }
      said.textContent = words.length ? `${shown} of ${all}` : ""
    })
  }
  for (const select of document.querySelectorAll("[data-submit]")) {
    if (select.dataset.wired) continue
    select.dataset.wired = "yes"
    select.addEventListener("change", () => select.form.requestSubmit())
  }
}
wire()
document.addEventListener("htmx:after:swap", wire)

// Buttons that copy a command.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]")
  if (!button) return
  await navigator.clipboard?.writeText(button.dataset.copy)
  button.textContent = "Copied"
})
for (const b of document.querySelectorAll("[data-copy]")) b.hidden = !navigator.clipboard

// Keys: g and a letter go to a page, / to the filter, ? shows them.
let went = 0
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return
  if (event.key === "g") { went = Date.now(); return }
  if (Date.now() - went < 1500) {
    went = 0
    const to = document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`)
    if (to) { event.preventDefault(); to.click() }
    return
  }
  const find = document.querySelector(".find:not([hidden]) input")
  if (event.key === "/" && find) { event.preventDefault(); find.focus() }
  if (event.key === "?") document.getElementById("keys").showModal()
})

// The log of a run that goes on. Lines are added as text, never as markup, and the oldest leave when there are many.
const log = document.getElementById("log")
if (log?.dataset.stream) {
  const most = 500
  const source = new EventSource(log.dataset.stream)
  const said = document.getElementById("log-state")
  const add = (event) => {
    const follow = log.scrollHeight - log.scrollTop - log.clientHeight < 40
    const line = document.createElement("div")
    let text = event.data
    try {
      const entry = JSON.parse(event.data)
      const { time, level, msg, run, ...rest } = entry
      if (level === "ERROR" || level === "WARN") line.className = level.toLowerCase()
      text = [String(time ?? "").slice(11, 19), level, msg, ...Object.entries(rest).map(([k, v]) => `${k}=${typeof v === "object" ? JSON.stringify(v) : v}`)].filter(Boolean).join("  ")
    } catch { /* a line that is no JSON is shown as it is */ }
    line.textContent = text
    log.append(line)
    while (log.childElementCount > most) log.firstElementChild.remove()
    if (follow) log.scrollTop = log.scrollHeight
  }
  source.addEventListener("message", add)
  source.addEventListener("restart", () => log.replaceChildren())
  source.addEventListener("end", () => { source.close(); said.textContent = "The log has ended." })
  source.addEventListener("open", () => { said.textContent = "Live." })
  source.addEventListener("error", () => { said.textContent = source.readyState === EventSource.CLOSED ? "The log cannot be read." : "Connecting again …" })
}
