import { render } from "preact"
import { App } from "./App.js"
import { look } from "./api/Session.js"

const place = document.getElementById("app")
if (place === null) throw new Error("The page has no place for the dashboard")

look().then(() => render(<App />, place))
