// The panel's looks. Sizes are px: the page's own root size has no say here.

export const STYLE = `
.root { --ground: #fff; --soft: #f3f5f8; --line: #dfe3ea; --text: #16191f; --quiet: #59616e; --accent: var(--accent-light); --bad: #b42318; color-scheme: light; }
.root[data-theme=dark] { --ground: #20242e; --soft: #2c323e; --line: #434b5a; --text: #f2f4f7; --quiet: #b3bbc8; --accent: var(--accent-dark); --bad: #ffa198; color-scheme: dark; }
@media (prefers-color-scheme: dark) { .root[data-theme=auto] { --ground: #20242e; --soft: #2c323e; --line: #434b5a; --text: #f2f4f7; --quiet: #b3bbc8; --accent: var(--accent-dark); --bad: #ffa198; color-scheme: dark; } }
.panel { position: fixed; bottom: 90px; right: 20px; width: 392px; max-width: calc(100vw - 40px); height: 640px; max-height: calc(100vh - 110px); max-height: calc(100dvh - 110px);
  display: flex; flex-direction: column; overflow: hidden; border-radius: 18px; background: var(--ground); color: var(--text); box-shadow: 0 16px 48px rgb(15 23 42 / .26), 0 0 0 1px rgb(15 23 42 / .07); transform-origin: bottom right; animation: rise .2s cubic-bezier(.2, .8, .3, 1); }
[data-side=left] .panel { right: auto; left: 20px; transform-origin: bottom left; }
@keyframes rise { from { opacity: 0; transform: translateY(12px) scale(.97); } }
button, textarea { font: inherit; color: inherit; }
button { cursor: pointer; }
a { color: var(--accent); text-underline-offset: 2px; overflow-wrap: anywhere; }
p, ul, ol, blockquote, pre, figure { margin: 0; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.hush { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

header { display: flex; align-items: center; gap: 12px; padding: 14px 10px 14px 16px; background: linear-gradient(120deg, var(--primary), color-mix(in srgb, var(--primary) 78%, var(--away))); color: var(--on-primary); }
[dir=rtl] header { padding: 14px 16px 14px 10px; }
header :focus-visible { outline-color: currentColor; outline-offset: -2px; }
.face { display: grid; place-items: center; flex: none; width: 28px; height: 28px; border-radius: 50%; overflow: hidden; background: var(--primary); color: var(--on-primary); font-weight: 700; font-size: 13px; line-height: 1; user-select: none; }
.face img { width: 100%; height: 100%; object-fit: cover; }
header .face { width: 42px; height: 42px; font-size: 18px; background: color-mix(in srgb, var(--on-primary) 16%, var(--primary)); box-shadow: 0 0 0 2px color-mix(in srgb, var(--on-primary) 28%, transparent); }
.title { flex: 1; min-width: 0; }
.title h2 { margin: 0; font-size: 16px; line-height: 1.3; font-weight: 650; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.title p { font-size: 13px; line-height: 1.35; }
.plain { display: grid; place-items: center; width: 40px; height: 40px; padding: 0; border: 0; border-radius: 10px; background: none; }
.plain .dot { stroke-width: 3.2; }
.plain:hover { background: color-mix(in srgb, currentColor 14%, transparent); }
.menu { position: absolute; top: 62px; inset-inline-end: 12px; z-index: 2; min-width: 230px; margin: 0; padding: 6px; list-style: none; border: 1px solid var(--line); border-radius: 12px; background: var(--ground); box-shadow: var(--shade); }
.menu button { display: flex; align-items: center; gap: 12px; width: 100%; min-height: 42px; padding: 8px 12px; border: 0; border-radius: 8px; background: none; text-align: start; }
.menu button:hover { background: var(--soft); }
.menu .icon { color: var(--quiet); }
.menu [aria-pressed=true] .icon { color: var(--accent); }
.menu [aria-pressed=true]::after { content: "✓"; margin-inline-start: auto; }

.middle { position: relative; flex: 1; min-height: 0; display: flex; }
.log { flex: 1; min-width: 0; overflow-y: auto; overscroll-behavior: contain; padding: 20px 16px 10px; display: flex; flex-direction: column; scrollbar-width: thin; }
.log:focus-visible { outline-offset: -3px; }
.latest { position: absolute; bottom: 10px; left: 50%; display: grid; place-items: center; width: 36px; height: 36px; margin-left: -18px; padding: 0; border: 1px solid var(--line); border-radius: 50%; background: var(--ground); box-shadow: var(--shade); }
.day { margin: 18px auto 0; color: var(--quiet); font-size: 12.5px; font-weight: 600; }
.day::first-letter { text-transform: uppercase; }
.message { display: grid; grid-template-columns: 28px minmax(0, 1fr); column-gap: 10px; row-gap: 4px; align-items: start; margin-top: 18px; animation: come .18s ease-out; }
.message:first-child { margin-top: 0; }
.message > * { grid-column: 2; justify-self: start; }
.message > .face { grid-column: 1; grid-row: 2; align-self: start; }
.message > .author { grid-row: 1; }
.message > .bubble { grid-row: 2; }
.message > .sources { grid-row: 3; }
.message > .below { grid-row: 4; }
.message > .why { grid-row: 5; scroll-margin: 16px; }
.follows { margin-top: 4px; }
.follows > .face { visibility: hidden; }
.follows > .author { display: none; }
@keyframes come { from { opacity: 0; transform: translateY(6px); } }
.message.visitor, .message.system { grid-template-columns: minmax(0, 1fr); }
.message.visitor > *, .message.system > * { grid-column: 1; }
.message.visitor > * { justify-self: end; }
.message.visitor .bubble { max-width: 84%; }
.author { display: flex; flex-wrap: wrap; align-items: baseline; column-gap: 6px; max-width: 100%; font-size: 12.5px; color: var(--quiet); }
.author b { font-weight: 650; color: var(--text); overflow-wrap: anywhere; }
.bubble { max-width: 100%; padding: 10px 14px; border-radius: 18px; border-start-start-radius: 6px; background: var(--soft); overflow-wrap: anywhere; display: flex; flex-direction: column; gap: 8px; }
.visitor .bubble { border-radius: 18px; border-end-end-radius: 6px; background: var(--primary); color: var(--on-primary); white-space: pre-wrap; }
.admin .bubble { background: color-mix(in srgb, var(--accent) 13%, var(--ground)); }
.admin > .face { background: var(--accent); color: var(--ground); }
.message.system > * { justify-self: center; }
.system .bubble { max-width: 94%; padding: 8px 14px; border: 1px dashed var(--line); border-radius: 12px; background: none; color: var(--quiet); font-size: 14px; text-align: center; }
.held .bubble { outline: 1px dashed var(--primary); outline-offset: 2px; }
.sent .bubble { outline: 0; }
.bubble p { white-space: pre-line; }
.bubble .heading { font-weight: 650; }
.bubble ul, .bubble ol { padding-inline-start: 22px; }
.bubble li + li { margin-top: 3px; }
.bubble code { font: .9em ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; background: color-mix(in srgb, var(--text) 9%, transparent); padding: 1px 5px; border-radius: 5px; }
.bubble pre { overflow-x: auto; padding: 10px 12px; border-radius: 9px; background: color-mix(in srgb, var(--text) 8%, transparent); }
.bubble pre code { padding: 0; background: none; }
.bubble blockquote { padding-inline-start: 12px; border-inline-start: 3px solid var(--line); color: var(--quiet); }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: 14px; }
th, td { padding: 5px 9px; border: 1px solid var(--line); text-align: start; }
.dots { display: flex; gap: 5px; padding: 6px 2px; }
.dots i { width: 7px; height: 7px; border-radius: 50%; background: var(--quiet); animation: dot 1.1s infinite; }
.dots i:nth-child(2) { animation-delay: .15s; } .dots i:nth-child(3) { animation-delay: .3s; }
@keyframes dot { 0%, 60%, 100% { opacity: .35; } 30% { opacity: 1; transform: translateY(-3px); } }

.sources { max-width: 100%; font-size: 13px; }
.sources summary { display: inline-flex; align-items: center; gap: 6px; min-height: 26px; padding: 0 4px; border-radius: 6px; color: var(--quiet); cursor: pointer; list-style: none; font-weight: 600; }
.sources summary::-webkit-details-marker { display: none; }
.sources summary .icon { width: 15px; height: 15px; }
.sources summary .turn { transition: transform .15s; }
.sources[open] summary .turn { transform: rotate(180deg); }
.sources ol { margin-top: 4px; padding: 0; list-style: none; display: grid; gap: 6px; }
.sources li { padding: 9px 12px; border: 1px solid var(--line); border-radius: 10px; }
.sources li > :first-child { font-weight: 600; }
.sources q { display: -webkit-box; margin-top: 3px; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden; color: var(--quiet); quotes: none; }
.below { display: flex; flex-wrap: wrap; align-items: center; gap: 2px; font-size: 12px; color: var(--quiet); min-height: 18px; }
.below time { margin-inline: 6px; }
.message:has(+ .follows) .below:not(:has(.thumb)) { display: none; }
.below .plain { width: 30px; height: 28px; border-radius: 7px; }
.below .icon { width: 16px; height: 16px; }
.below [aria-pressed=true] { color: var(--accent); background: color-mix(in srgb, var(--accent) 12%, transparent); }
.below [aria-pressed=true] .icon { fill: color-mix(in srgb, currentColor 30%, transparent); }
.flip { transform: scaleY(-1); }
.why { display: flex; gap: 6px; width: 100%; }
.why input { flex: 1; min-width: 0; font: inherit; font-size: 14px; padding: 6px 10px; border: 1px solid var(--quiet); border-radius: 9px; background: var(--ground); color: var(--text); }
.chips { display: flex; flex-wrap: wrap; gap: 8px; margin-top: 14px; padding-inline-start: 38px; }
.chip { display: inline-flex; align-items: center; gap: 8px; min-height: 36px; padding: 6px 14px; border: 1px solid var(--accent); border-radius: 18px; background: var(--ground); color: var(--accent); text-align: start; font-size: 14px; font-weight: 550; }
.before { align-self: center; flex: none; margin-bottom: 18px; }
.chip:disabled { opacity: .6; }
.chip:hover { background: color-mix(in srgb, var(--accent) 8%, var(--ground)); }
.chip .icon { width: 16px; height: 16px; }

.notice { display: flex; align-items: center; justify-content: center; gap: 10px; padding: 8px 16px; border-top: 1px solid var(--line); background: var(--soft); font-size: 13.5px; text-align: center; }
.notice.bad { color: var(--bad); }
.notice button { padding: 4px 12px; border: 1px solid currentColor; border-radius: 8px; background: none; font-weight: 600; white-space: nowrap; }
form.compose { display: flex; align-items: flex-end; gap: 8px; margin: 6px 12px 0; padding: 5px; border: 1px solid var(--quiet); border-radius: 16px; background: var(--ground); }
form.compose:focus-within { border-color: var(--accent); box-shadow: 0 0 0 1px var(--accent); }
textarea { flex: 1; min-width: 0; max-height: 132px; padding: 8px 10px; border: 0; background: none; resize: none; outline: none; line-height: 22px; field-sizing: content; }
textarea:focus-visible { outline: none; }
textarea::placeholder { color: var(--quiet); opacity: 1; }
.go { display: grid; place-items: center; flex: none; width: 38px; height: 38px; padding: 0; border: 0; border-radius: 12px; background: var(--primary); color: var(--on-primary); }
.go:disabled { background: var(--soft); color: var(--quiet); cursor: default; }
.go .icon { width: 19px; height: 19px; }
.small { padding: 7px 16px 10px; font-size: 12px; line-height: 1.35; text-align: center; color: var(--quiet); }

@media (max-width: 480px), (max-height: 420px) {
  .panel, [data-side=left] .panel { inset: 0; width: auto; max-width: none; height: auto; max-height: none; border-radius: 0; padding-bottom: env(safe-area-inset-bottom); }
  .root.shown .launcher { display: none; }
  textarea { font-size: 16px; }
}
@media (forced-colors: active) { .panel { border: 1px solid; } .bubble { border: 1px solid; } }`;
