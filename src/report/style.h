// The page's style sheet: light and dark, narrow screens, print.
#pragma once

namespace bt::report {

// Series: Okabe and Ito's colours for colour-blind readers, lighter on a dark page. h0 to h15: cividis (Nuñez, Anderton
// and Renslow 2018), whose lightness alone tells the values apart, also in grey print.
inline constexpr const char* kStyle = R"(
:root{color-scheme:light dark;--page:#fff;--ink:#1a1a1a;--soft:#5a5a5a;--rule:#d8d8d8;--void:#e8e8e8;
--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#cc79a7;--c4:#e69f00;--c5:#56b4e9;--c6:#4d4d4d}
@media (prefers-color-scheme:dark){:root{--page:#15171a;--ink:#e8e8e8;--soft:#a8a8a8;--rule:#3a3d42;--void:#2a2d31;
--c0:#4da3dc;--c1:#f08042;--c2:#2dc79b;--c3:#de9bc1;--c4:#f0b429;--c5:#8fd0f7;--c6:#c8c8c8}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem;max-width:76rem;background:var(--page);color:var(--ink);
font:1rem/1.5 system-ui,sans-serif;overflow-wrap:break-word}
h1{font-size:1.6rem} h2{margin-top:2.5rem;border-bottom:1px solid var(--rule)} h3{margin-bottom:.3rem}
p,figcaption,dl,li{max-width:75ch}
.soft,caption{color:var(--soft)}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr));gap:1.5rem;align-items:start}
figure{margin:0;min-width:0} figcaption{font-weight:600}
.scroll{overflow-x:auto} details{margin-bottom:1rem}
.scroll svg{display:block;width:100%;min-width:26rem;height:auto}
svg text{fill:var(--soft);font:12px system-ui,sans-serif;font-variant-numeric:tabular-nums}
svg text.over{fill:var(--ink);paint-order:stroke;stroke:var(--page);stroke-width:3px}
.grid{stroke:var(--rule);stroke-width:.7} .axis{stroke:var(--soft);stroke-width:1}
.curve{fill:none;stroke-width:1.8;stroke-linecap:round;stroke-linejoin:round} .mean{stroke-width:3}
.ring{fill:none;stroke-width:1.4}
.s0{stroke:var(--c0)} .s1{stroke:var(--c1)} .s2{stroke:var(--c2)} .s3{stroke:var(--c3)}
.s4{stroke:var(--c4)} .s5{stroke:var(--c5)} .s6{stroke:var(--c6)}
.dot.s0{fill:var(--c0)} .dot.s1{fill:var(--c1)} .dot.s2{fill:var(--c2)} .dot.s3{fill:var(--c3)}
.dot.s4{fill:var(--c4)} .dot.s5{fill:var(--c5)} .dot.s6{fill:var(--c6)}
.curve.d1{stroke-dasharray:7 4} .curve.d2{stroke-dasharray:2 4} .curve.d3{stroke-dasharray:8 4 2 4}
.void{fill:var(--void)}
.h0{fill:#00204d} .h1{fill:#112c55} .h2{fill:#23385d} .h3{fill:#344465}
.h4{fill:#45506c} .h5{fill:#555c6f} .h6{fill:#646973} .h7{fill:#747576}
.h8{fill:#858277} .h9{fill:#969074} .h10{fill:#a79e72} .h11{fill:#b8ac70}
.h12{fill:#c9bb67} .h13{fill:#dbcb5c} .h14{fill:#edda51} .h15{fill:#ffea46}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;margin:0 0 1rem;padding:.4rem 0;list-style:none;
position:sticky;top:0;background:var(--page)}
.swatch{width:28px;height:10px;margin-right:.4rem}
table{border-collapse:collapse;font-size:.9rem;margin:1rem 0} caption{text-align:left;padding-bottom:.3rem}
th,td{padding:.25rem .7rem .25rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--rule)}
tbody th{font-weight:400;min-width:8rem} td{white-space:nowrap} .number{text-align:right} td.number{font-variant-numeric:tabular-nums}
dl{display:grid;grid-template-columns:max-content 1fr;gap:0 1rem;margin:.3rem 0} dd{margin:0;min-width:0}
dd,pre{white-space:pre-wrap;overflow-wrap:anywhere} pre{font-size:.8rem}
@media (max-width:40rem){dl{grid-template-columns:1fr} dt{color:var(--soft)}}
@media print{:root{--page:#fff;--ink:#000;--soft:#444;--rule:#ccc;--void:#eee;
--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#cc79a7;--c4:#e69f00;--c5:#56b4e9;--c6:#4d4d4d}
body{max-width:none;padding:0;font-size:9pt} .legend{position:static} figure,tr{break-inside:avoid}
.charts{grid-template-columns:1fr 1fr} .scroll{overflow:visible} .scroll svg{min-width:0}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
)";

}  // namespace bt::report
