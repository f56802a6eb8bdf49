"""The style of a report: both themes, and paper; and the rule that nothing but this style is ever followed."""

import base64
import hashlib
from typing import Final

# the window's colours (desktop/theme), which tests keep readable
STYLE: Final = """
:root{color-scheme:light dark;--page:#fff;--panel:#f3f5f8;--rule:#d3d9e2;--text:#18202c;--muted:#566275;--accent:#1a63d8;
--good:#0a7d4f;--bad:#c9252d;--warn:#8a5800;--grid:#e3e7ee;--hold:#6b7789;--up:#0f9d6b;--down:#d9363e;--buy:#1a63d8;
--sell:#b45f00;--c0:#1a63d8;--c1:#c96a00;--c2:#0a8a57;--c3:#b025a4;--c4:#8a7400;--c5:#087f94}
@media (prefers-color-scheme:dark){:root{--page:#12151a;--panel:#181c23;--rule:#2a313d;--text:#e3e7ee;--muted:#98a2b3;
--accent:#4d9bff;--good:#3ccf91;--bad:#ff6b6b;--warn:#f2b84b;--grid:#262d38;--hold:#8a95a6;--up:#2ebd85;--down:#f6465d;
--buy:#4d9bff;--sell:#ffae42;--c0:#4d9bff;--c1:#ffae42;--c2:#3ccf91;--c3:#ee7be0;--c4:#f4e04d;--c5:#57d3e8}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1240px;padding:24px 20px 60px;background:var(--page);color:var(--text);
font:15px/1.45 system-ui,"Segoe UI",Roboto,sans-serif;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
h1{font-size:24px;margin:0 0 2px}h2{font-size:17px;margin:30px 0 8px}h3{font-size:14px;margin:0 0 4px;color:var(--muted)}
a{color:var(--accent)}p{margin:4px 0}.muted{color:var(--muted)}
.note{border-left:3px solid var(--accent);padding:2px 10px;margin:8px 0;white-space:pre-wrap}
.failure{border-left:3px solid var(--bad);padding:2px 10px;margin:8px 0;white-space:pre-wrap}
.checks{list-style:none;padding:0;margin:10px 0;display:flex;flex-wrap:wrap;gap:6px}
.checks li{border:1px solid var(--rule);border-radius:12px;padding:2px 10px;background:var(--panel)}
.passed b{color:var(--good)}.failed b{color:var(--warn)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:8px;margin:14px 0}
.tiles div{background:var(--panel);border:1px solid var(--rule);border-radius:6px;padding:8px 12px}
.tiles span{display:block;color:var(--muted);font-size:13px}.tiles data{font-size:20px;font-weight:600}
.good{color:var(--good)}.bad{color:var(--bad)}
svg{display:block;width:100%;height:auto;margin:4px 0 2px}
svg text{fill:var(--muted);font-size:12px}.level{text-anchor:end}.time{text-anchor:middle}
.grid{stroke:var(--grid);fill:none}.curve,.close,.hold{fill:none;stroke:var(--accent);stroke-width:1.4}
.hold{stroke:var(--hold);stroke-dasharray:5 4}.close{stroke:var(--text);stroke-width:1}
.fall{fill:var(--bad);fill-opacity:.25;stroke:var(--bad)}.band{fill:var(--muted);fill-opacity:.3}
.up{fill:var(--up);stroke:var(--up)}.down{fill:var(--down);stroke:var(--down)}
.won{stroke:var(--good);fill:none}.lost{stroke:var(--bad);stroke-dasharray:3 3;fill:none}
.long{fill:var(--buy)}.short{fill:var(--sell)}.exit{stroke:var(--text);stroke-width:1.3;fill:none}
.c0,.c1,.c2,.c3,.c4,.c5{fill:none;stroke-width:1.4}.c0{stroke:var(--c0)}.c1{stroke:var(--c1)}.c2{stroke:var(--c2)}
.c3{stroke:var(--c3)}.c4{stroke:var(--c4)}.c5{stroke:var(--c5)}.second{stroke-dasharray:6 3}
.key{width:34px;display:inline-block;margin:0 6px 0 0;vertical-align:middle}
table{border-collapse:collapse;width:100%;font-size:13px;overflow-wrap:normal}
th,td{padding:3px 8px;border-bottom:1px solid var(--rule)}td{white-space:nowrap}
td:first-child,td.text,.facts td{white-space:normal}td.text{overflow-wrap:anywhere}
th{color:var(--muted);font-weight:600}th,td{text-align:right}
.facts td,.facts th,td.text,td:first-child,th:first-child{text-align:left}
.scroll{overflow-x:auto}.groups{columns:3 300px;column-gap:28px}.groups section{break-inside:avoid;margin:0 0 16px}
.scroll+h3{margin-top:14px}.trades td{white-space:nowrap}
pre{background:var(--panel);border:1px solid var(--rule);border-radius:6px;padding:10px;
overflow:auto;font:12px/1.5 ui-monospace,Menlo,Consolas,monospace;overflow-wrap:normal}
summary{cursor:pointer;color:var(--accent)}article+article{border-top:2px solid var(--rule);margin-top:40px;padding-top:24px}
@media (max-width:700px){svg[role=img]{min-width:640px}svg text{font-size:17px}}
@media print{:root{color-scheme:light;--page:#fff;--panel:#fff;--rule:#bbb;--text:#000;--muted:#444;--accent:#1a63d8;
--good:#0a7d4f;--bad:#c9252d;--warn:#8a5800;--grid:#e3e7ee;--hold:#6b7789;--up:#0f9d6b;--down:#d9363e;--buy:#1a63d8;
--sell:#b45f00;--c0:#1a63d8;--c1:#c96a00;--c2:#0a8a57;--c3:#b025a4;--c4:#8a7400;--c5:#087f94}
body{padding:0;max-width:none;font-size:11px}table{font-size:9px}th,td{padding:1px 4px}svg,.tiles,.checks{break-inside:avoid}
thead{display:table-header-group}tr{break-inside:avoid}h2{break-after:avoid}.scroll{overflow:visible}
article+article{break-before:page;border:0}}
"""
_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
RULE: Final = f"default-src 'none'; style-src 'sha256-{_HASH}'"
