// Light or dark, where the reader has chosen; it runs before anything is painted.
(() => {
  const dark = document.getElementById("dark"), root = document.documentElement
  const apply = (choice) => {
    dark.media = choice === "dark" ? "all" : choice === "light" ? "not all" : "(prefers-color-scheme: dark)"
    root.dataset.theme = choice || ""
  }
  let choice = null
  try { choice = localStorage.getItem("theme") } catch { /* no storage: the system's choice */ }
  apply(choice)
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme")
    const isDark = () => choice ? choice === "dark" : matchMedia("(prefers-color-scheme: dark)").matches
    const label = () => { button.textContent = isDark() ? "Light" : "Dark"; button.title = "Show a " + button.textContent.toLowerCase() + " page" }
    button.hidden = false
    label()
    button.addEventListener("click", () => {
      choice = isDark() ? "light" : "dark"
      try { localStorage.setItem("theme", choice) } catch { /* for this page only */ }
      apply(choice)
      label()
    })
  })
})()
