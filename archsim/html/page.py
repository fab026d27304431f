"""The frame of every page: one HTML file with its style, scripts and data inside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any

import archsim

# Nothing may be loaded from anywhere, whatever an input file had in its names.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


@dataclass(frozen=True)
class Section:
    """A part of a page; `body` is HTML, `title` and `note` are text."""

    name: str
    title: str
    body: str
    note: str = ""


def page(
    title: str,
    subtitle: str,
    sections: Sequence[Section],
    *,
    data: Any,
    scripts: Sequence[str],
    origin: str,
    cards: Sequence[tuple[str, str]] = (),
) -> str:
    """The HTML of a page.

    data: what the scripts read (JSON without NaN); scripts: names in `assets/`, run in this order
    after common.js; origin: text below, from what the page was made; cards: (figure, value).
    """
    code = "\n".join(asset(name) for name in ("common.js", *scripts))
    links = "".join(f'<a href="#{s.name}">{escape(s.title)}</a>' for s in sections)
    shown = "".join(
        f"<div><dt>{escape(figure)}</dt><dd>{escape(value)}</dd></div>" for figure, value in cards
    )
    payload = json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="archsim {archsim.__version__}">
<link rel="icon" href="data:,">
<title>{escape(title)}</title>
<style>
{asset("page.css")}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the figures</a>
<header>
<h1>{escape(title)}</h1>
<p class="soft">{escape(subtitle)}</p>
<nav aria-label="Sections">{links}</nav>
</header>
<main id="content">
{f'<dl class="cards">{shown}</dl>' if shown else ""}
{"".join(map(_section, sections))}
</main>
<footer>{escape(origin)}</footer>
<div id="tip" role="status" hidden></div>
<script type="application/json" id="data">{payload}</script>
<script>
{code}
document.documentElement.dataset.ready = "yes";
</script>
</body>
</html>
"""


def _section(section: Section) -> str:
    note = f'<p class="note">{escape(section.note)}</p>' if section.note else ""
    return (
        f'<section id="{section.name}" aria-labelledby="{section.name}-title">'
        f'<h2 id="{section.name}-title">{escape(section.title)}</h2>\n{section.body}\n{note}'
        "</section>\n"
    )


def asset(name: str) -> str:
    """The text of a file in `assets/`."""
    return (files("archsim.html") / "assets" / name).read_text(encoding="utf-8")
