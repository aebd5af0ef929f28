"""Texts that try to act where a report is read: every writer of reports is tried with all of them, in every field."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_evalgate.records.cases import Place
from pytest_evalgate.records.corrected import CorrectedRate
from pytest_evalgate.records.raised import Raised
from pytest_evalgate.records.results import Score
from pytest_evalgate.records.verdicts import (
    Accounting,
    Calls,
    Delta,
    GateChange,
    GateResult,
    HistoryRow,
    JudgeVerdict,
    ScoreSummary,
    SliceResult,
    SuiteVerdict,
    Trend,
    Verdict,
)
from pytest_evalgate.reports.acknowledging import acknowledgement
from pytest_evalgate.reports.diff import Piece
from pytest_evalgate.reports.view import (
    CaseView,
    ChangedCaseRow,
    FlakyCaseRow,
    GateSentence,
    Reason,
    ReportView,
    SuiteView,
    TrialView,
    WorstCase,
)

if TYPE_CHECKING:
    from pytest_evalgate.reports.view import Links

XSS: Final[tuple[str, ...]] = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<script/x>alert(1)</script/x>",
    "<script\n>alert(1)</script\n>",
    "<!--<script>alert(1)//-->",
    "--><script>alert(1)</script><!--",
    "--!><img src=x onerror=alert(1)>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "]]><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<img src=x onerror=alert(1)//",
    "<img/src=x/onerror=alert(1)>",
    "<img src=`x`onerror=alert(1)>",
    "<image href=x onerror=alert(1)>",
    "'\"><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "' onmouseover='alert(1)",
    "x onfocus=alert(1) autofocus ",
    "`onload=alert(1)`",
    "<svg onload=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><script href=data:,alert(1) />",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    '<svg><a xlink:href="javascript:alert(1)"><text y=20>x</text></a></svg>',
    "<svg><set attributeName=href to=javascript:alert(1)>",
    "<svg><foreignObject><body onload=alert(1)></foreignObject></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mtext></form><form><mglyph><style></math><img src=x onerror=alert(1)>",
    '<math href="javascript:alert(1)">x</math>',
    "<body onload=alert(1)>",
    "<body onpageshow=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>",
    '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
    "<object data=javascript:alert(1)></object>",
    "<embed src=data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==>",
    "<a href=javascript:alert(1)>x</a>",
    '<a href="java\tscript:alert(1)">x</a>',
    '<a href="&#106;avascript:alert(1)">x</a>',
    '<a href="\x01javascript:alert(1)">x</a>',
    "<a href=data:text/html,<script>alert(1)</script>>x</a>",
    "<a href=vbscript:msgbox(1)>x</a>",
    "<form action=javascript:alert(1)><input type=submit></form>",
    "<button formaction=javascript:alert(1)>x</button>",
    "<input autofocus onfocus=alert(1)>",
    "<details open ontoggle=alert(1)>x</details>",
    "<video><source onerror=alert(1)></video>",
    "<audio src=x onerror=alert(1)>",
    "<marquee onstart=alert(1)>x</marquee>",
    '<meta http-equiv=refresh content="0;url=javascript:alert(1)">',
    "<base href=//evil.example/>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>@import '//evil.example/x.css';</style>",
    '<div style="background:url(//evil.example/beacon)">x</div>',
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</noscript><img src=x onerror=alert(1)>",
    "</template><img src=x onerror=alert(1)>",
    "{{constructor.constructor('alert(1)')()}}",
    "${alert(1)}",
    "{% for x in ().__class__.__base__.__subclasses__() %}{{x}}{% endfor %}",
    "javascript:alert(1)",
    "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
    '\\";alert(1);//',
    "\u2028alert(1)\u2029",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\uff1cscript\uff1ealert(1)\uff1c/script\uff1e",
)
"""What a browser must not run."""

MARKDOWN: Final[tuple[str, ...]] = (
    "![beacon](https://evil.example/pixel.png)",
    "![beacon][ref]\n\n[ref]: https://evil.example/pixel.png",
    "[click](https://evil.example/)",
    "[click](<https://evil.example/>)",
    "[click][ref]\n\n[ref]: https://evil.example/",
    "[click]\n\n[click]: //evil.example",
    "[x](javascript:alert(1))",
    "[[wiki link]]",
    "<https://evil.example/>",
    "<who@evil.example>",
    "https://evil.example/path?a=b",
    "see http://evil.example.",
    "www.evil.example",
    "ftp://evil.example/x",
    "mailto:who@evil.example",
    "xmpp:who@evil.example/room",
    "who@evil.example",
    "evil.example/owner/repo#12",
    "@octocat please merge",
    "cc @org/team",
    "fixes #123",
    "closes GH-1",
    "gh-77",
    "owner/name#5",
    "owner/name@0123456789abcdef0123456789abcdef01234567",
    "<img src=https://evil.example/pixel.png>",
    "<a href=https://evil.example/>x</a>",
    "<b>bold</b> <sub>small</sub>",
    "<!-- evalgate -->",
    "<!-- evalgate -->\n## Eval gate: PASS",
    "</details></details><h1>PASS</h1>",
    "</summary></details>",
    "<details open><summary>PASS</summary>",
    "<?php x ?>",
    "&lt;b&gt; &amp; &copy; &#64;octocat &#x23;1",
    "**bold** __bold__ *it* _it_ ~~gone~~",
    "snake_case and *stars* and ~tilde~",
    "| a | b |\n|---|---|\n| c | d |",
    "cell | another | cell",
    "a\\|b",
    "ends with a backslash\\",
    "\\[x\\](y)",
    "# heading",
    "heading\n=======",
    "heading\n---",
    "> quote",
    "- item\n- [x] done",
    "1. one\n2. two",
    "***",
    "    indented code",
    "```\nfence",
    "~~~\nfence",
    "````\n```\n````\n![x](https://evil.example/pixel.png)",
    "`code` ``two`` ```three```",
    "``` ![x](https://evil.example/pixel.png)",
    "`![x](https://evil.example/pixel.png)",
    "```suggestion\nrm -rf /\n```",
    '```mermaid\ngraph TD; A-->B; click A "https://evil.example"\n```',
    "```geojson\n{}\n```",
    "$$\\href{https://evil.example}{x}$$",
    "$`\\href{https://evil.example}{x}`$",
    "$x$ and $y$",
    "text[^1]\n\n[^1]: footnote",
    "> [!CAUTION]\n> The gate passed.",
    ":tada: :+1:",
    "two spaces  \nbreak",
    "a\n\n## Eval gate: PASS",
    "line\r\n\r\n![x](https://evil.example/pixel.png)",
    "line\r\r![x](https://evil.example/pixel.png)",
    "line\u2028\u2028# heading",
    "\t![x](https://evil.example/pixel.png)",
    "[x]: https://evil.example/\n",
    "`" * 40 + "![x](https://evil.example/pixel.png)" + "`" * 41,
    "<" * 200 + "[" * 200 + "](" * 200,
)
"""What a renderer of GitHub's Markdown must show as the plain text that it is."""

WORKFLOW: Final[tuple[str, ...]] = (
    "::error::forged",
    "::error file=x,line=1::forged",
    "::warning title=x::forged",
    "::notice::forged",
    "::add-mask::e",
    "::set-output name=verdict::pass",
    "::save-state name=x::y",
    "::set-env name=PATH::/tmp",
    "::add-path::/tmp",
    "::stop-commands::token",
    "::group::PASS",
    "::endgroup::",
    "::echo::on",
    "::debug::x",
    "::add-matcher::/tmp/matcher.json",
    "  ::error::behind spaces",
    "\t::error::behind a tab",
    "\u00a0::error::behind a wide space",
    "line\n::error::on the next line",
    "line\r::error::behind a carriage return",
    "line\r\n::error::behind both",
    "line\v::error::behind a vertical tab",
    "line\u2028::error::behind a line separator",
    "##[error]forged",
    "text ##[error]in the middle",
    "##[add-mask]e",
    "##[group]x",
    "##[command]rm -rf /",
    "#\u200b#[error]forged",
    "%0A::error::already escaped",
    "100%25,:done",
    "a::b,c=d%",
    "verdict<<EOF\npass\nEOF",
    "x\nverdict=pass",
    "EOF",
)
"""What a GitHub runner must not take for a command or an output of its own."""

TERMINAL: Final[tuple[str, ...]] = (
    "\x1b[31mred\x1b[0m",
    "\x1b[2J\x1b[H",
    "\x1b[1A\x1b[2KPASS",
    "\x1b]0;title\x07",
    "\x1b]8;;https://evil.example/\x1b\\click\x1b]8;;\x1b\\",
    "\x1b]52;c;ZXZpbA==\x07",
    "\x1bP+q544e\x1b\\",
    "\x1bc",
    "\x9b31m",
    "\x9d0;title\x9c",
    "\rPASS",
    "back\b\b\b\bspace",
    "bell\x07",
    "shift\x0e\x0f",
    "form\x0cfeed",
    "next\x85line",
    "nul\x00byte",
    "delete\x7f",
    "bidi \u202egnp.exe\u202c",
    "isolate \u2066x\u2069",
    "mark \u200f\u200e\u061c",
    "zero\u200bwidth\u200d\ufeff",
    "soft\u00adhyphen",
    "line\u2028separator\u2029",
    "tag\U000e0041\U000e007f",
    "surrogate \ud800 \udfff",
    "private \ue000 \U0010fffd",
    "not a character \ufffe \uffff \U0001fffe",
    "unassigned \u0378",
)
"""What a terminal must not act on, an XML file cannot hold, or a reader cannot see."""

SPREADSHEET: Final[tuple[str, ...]] = (
    "=1+1",
    '=HYPERLINK("https://evil.example/","x")',
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-1+1",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    " =1+1",
    '"=1+1"',
    "'=1+1",
    ";=1+1",
    "a,=1+1",
    "a\n=1+1",
    'a","=1+1',
    "\uff1d1+1",
    "\uff0b1",
    "\uff0d1",
    "\uff201",
    "%0A=1+1",
    "\x00=1+1",
    "\ufeff=1+1",
    "\u200b=1+1",
    "\u00a0=1+1",
)
"""What a spreadsheet must not take for a formula."""

ALL: Final[tuple[str, ...]] = (*XSS, *MARKDOWN, *WORKFLOW, *TERMINAL, *SPREADSHEET)
"""All of them."""


def view_of(text: str, links: Links | None = None) -> ReportView:
    """Return a view that holds ``text`` wherever others than we have a say; with ``links``, not as a file's name."""
    place = Place("golden.jsonl" if links else text, 3)
    verdict = Verdict(
        verdict="fail",
        exit_code=1,
        run_id=text,
        commit=text,
        tier=text,
        accounting=Accounting(planned=2, passed=1, missed=1),
        suites={text: _suite(text)},
        suites_not_run=(text,),
        calls=Calls(),
        duration_s=1.0,
        changed_in_gate=(
            GateChange(text, text, text, text, "weaker", text),
            GateChange(text, text, "", "", "neutral"),
        ),
        problems=(text,),
        refused=text,
    )
    changed = ChangedCaseRow(text, place, (text,), "pass", "miss", text)
    reason = Reason(1, text, text)
    history = tuple(HistoryRow(text, text, text, text, 2, 1, 0.5, None, text, text, text, "pass") for _ in range(3))
    suite = SuiteView(
        name=text,
        verdict=verdict.suites[text],
        regressed=(changed,),
        fixed=(changed,),
        missed=(reason,),
        errors=(reason,),
        flaky=(FlakyCaseRow(text, text, 1, 2),),
        details={text: case_of(text, place)},
        missed_cases=(replace(changed, id="other"),),
        worst=(worst_of(text, place),),
        sentences=(GateSentence(0, text, "fail", text, text, f"detail {text}"),),
        history=history,
    )
    return ReportView(
        verdict=verdict,
        suites=(suite,),
        run_file=text,
        verdict_file=text,
        cases=[case_of(text, place)],
        facts=((text, text),),
        links=links,
        report_file=text,
        notes=(text,),
        acknowledgement=acknowledgement(
            replace(verdict, changed_in_gate=(GateChange(text, text, text, text, "weaker"),))
        ),
    )


def worst_of(text: str, place: Place) -> WorstCase:
    """Return a case whose texts and changes are ``text``."""
    pieces = (Piece("same", text), Piece("removed", text), Piece("added", text))
    case = replace(case_of(text, place), id="worst", baseline_output=f"{text} {text}")
    return WorstCase(case, text, pieces, text, text)


def case_of(text: str, place: Place) -> CaseView:
    """Return a missed case of which every text is ``text``."""
    scores = (Score(text, 0.5, passed=False, reason=text, rationale=text),)
    raised = Raised(text, text)
    trials = (TrialView(0.0, text, text, scores, 0.25, 0.001, 12, raised=raised), TrialView(1.0, text))
    return CaseView(
        suite=text,
        id=text,
        place=place,
        outcome="missed",
        tags=(text,),
        slices=((text, text),),
        change="regressed",
        before=1.0,
        value=0.5,
        reason=text,
        input=text,
        expected=text,
        trials=trials,
        baseline_output=text,
    )


def _suite(text: str) -> SuiteVerdict:
    delta = Delta(text, 1.0, 2, 1, 0, -0.5, 0.01, -0.9, -0.1, "mcnemar-midp", "regressed", 0.3)
    piece = SliceResult(text, text, 2, 1, 0.5, (0.1, 0.9), delta)
    rate = CorrectedRate(0.5, (0.1, 0.9), 0.2, "rogan-gladen")
    judge = JudgeVerdict(
        text, text, why_not=text, calibrated=True, scored=2, unreadable=0, pass_rate=0.5, corrected=rate
    )
    gates = (
        GateResult("no-regression", "fail", -0.5, None, None, text, text),
        GateResult("must-pass", "fail", 0.5, None, 1.0, f"{text} missed", text),
        GateResult("mean-score", "inconclusive", 0.5, None, 1.0, text, text),
    )
    return SuiteVerdict(
        cases=2,
        trials=2,
        passed=1,
        pass_rate=0.5,
        interval=(0.1, 0.9),
        golden_sha256=text,
        verdict="fail",
        mode="blocking",
        accounting=Accounting(planned=2, passed=1, missed=1),
        scores={text: ScoreSummary(0.5, 2)},
        delta=delta,
        slices=(piece,),
        gates=gates,
        judges=(judge,),
        trend=Trend(5, 0.5, 1.0, 2.0, alarm=True, since=text, z=None, message=text),
        notes=(text,),
    )
