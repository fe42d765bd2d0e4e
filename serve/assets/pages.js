// What is alive on the pages. Each of them works without it.

// The part of a page that asks for itself again waits while somebody reads or works in it.
document.addEventListener("htmx:before:request", (event) => {
  const live = document.getElementById("live")
  const busy = document.hidden || live.contains(document.activeElement) || live.querySelector("[data-touched]") || document.querySelector("dialog[open]") || String(getSelection()).length > 0
  if (event.target === live && busy) event.preventDefault()
})
// It stays as it is when the answer is not the page, and the foot of the page says since when.
document.addEventListener("htmx:after:request", (event) => {
  if (event.target.id !== "live") return
  const { text, response } = event.detail.ctx
  const good = response.status === 200 && text.includes('<div id="live"')
  if (!good) event.preventDefault()
  tell(good, response.status === 401 || response.status === 200, `the server answers ${response.status}`)
})
document.addEventListener("htmx:error", (event) => { if (event.target.id === "live") tell(false, false, "the server does not answer") })
function tell(good, out, why) {
  const kept = document.getElementById("kept")
  kept.classList.toggle("behind", !good)
  if (good) { kept.textContent = "kept up to date"; return }
  const since = document.querySelector("#asof time").textContent.slice(-5)
  kept.textContent = `not up to date since ${since}: `
  if (!out) { kept.append(why); return }
  const again = document.createElement("a")
  again.href = location.href
  again.textContent = "log in again"
  kept.append(again)
}
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

// The log of a run that goes on. Lines are added as text, never as markup: all that came since the last frame at once. The oldest
// leave when there are many, and those that would leave at once are not made.
const log = document.getElementById("log")
if (log?.dataset.stream) {
  const most = 2000, longest = 4000
  const source = new EventSource(log.dataset.stream)
  const said = document.getElementById("log-state")
  let came = []
  const draw = () => {
    const follow = log.scrollHeight - log.scrollTop - log.clientHeight < 40
    const lines = document.createDocumentFragment()
    for (const text of came.slice(-most)) lines.append(lineOf(text))
    came = []
    log.append(lines)
    for (let left = log.childElementCount - most; left > 0; left--) log.firstElementChild.remove()
    if (follow) log.scrollTop = log.scrollHeight
  }
  const lineOf = (text) => {
    const line = document.createElement("div")
    try {
      const { time, level, msg, run, ...rest } = JSON.parse(text)
      if (level === "ERROR" || level === "WARN") line.className = level.toLowerCase()
      text = [String(time ?? "").slice(11, 19), level, msg, ...Object.entries(rest).map(([k, v]) => `${k}=${typeof v === "object" ? JSON.stringify(v) : v}`)].filter(Boolean).join("  ")
    } catch { /* a line that is no JSON is shown as it is */ }
    line.textContent = text.length > longest ? text.slice(0, longest) + " …" : text
    return line
  }
  source.addEventListener("message", (event) => {
    if (came.length === 0) requestAnimationFrame(draw)
    came.push(event.data)
    if (came.length > 2 * most) came = came.slice(-most) // nobody looks: a hidden page has no frames
  })
  source.addEventListener("end", () => { source.close(); said.textContent = "The log has ended." })
  source.addEventListener("open", () => { said.textContent = "Live." })
  source.addEventListener("error", () => { said.textContent = source.readyState === EventSource.CLOSED ? "The log cannot be read." : "Connecting again …" })
}
