"""The page as a file: complete in itself, of bounded size, escaped, in two whole languages."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from convtool.explain.page import LANGUAGES, SCRIPTS, render
from convtool.kernels.library import Library
from tests.support.pages import demo, photo

WEB = Path(__file__).resolve().parents[2] / "convtool" / "explain" / "web"
WORDS = {lang: json.loads((WEB / f"words.{lang}.json").read_text(encoding="utf-8")) for lang in LANGUAGES}


class Reader(HTMLParser):
    """Everything in a page that could load something, its scripts, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.scripts: list[str] = []
        self.text: list[str] = []
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]

    def handle_data(self, data: str) -> None:
        (self.scripts if self.inside == "script" else self.text).append(data)


def test_a_crop_with_four_kernels_is_small() -> None:
    assert len(render(photo("four-views")).encode()) < 400_000


def test_a_crop_with_four_unrounded_kernels_is_small() -> None:
    kernels = ("gaussian:sigma=1.1", "log", "dog", "gabor")
    text = render(photo(*kernels))
    assert len(text.encode()) < 400_000


@pytest.mark.parametrize("lang", LANGUAGES)
def test_nothing_outside_is_named(lang: str) -> None:
    read = Reader(render(demo("rgb"), lang))
    assert [link for link in read.links if not link.startswith(("#", "data:"))] == []
    text = render(demo("rgb"), lang).replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|@import|url\(", text)
    assert "default-src 'none'" in text


def test_names_are_escaped() -> None:
    told = demo("8x8")
    name = '</script><script>alert(1)</script>&"{{run}}.png'
    hostile = replace(told, source=told.source._replace(name=name), command=f"convtool explain '{name}'", notes=(name,))
    read = Reader(render(hostile))
    assert not any(script.startswith("alert") for script in read.scripts)
    assert len(read.scripts) == len(Reader(render(told)).scripts)
    assert json.loads(read.scripts[0])["source"]["name"] == name
    assert f"convtool explain '{name}'" in "".join(read.text)


def test_languages_have_the_same_words() -> None:
    english, chinese = WORDS["en"], WORDS["zh"]
    assert list(english) == list(chinese)
    for key, sentence in english.items():
        assert set(re.findall(r"\{\w+\}", sentence)) >= set(re.findall(r"\{\w+\}", chinese[key])), key
    same = [key for key in english if english[key] == chinese[key] and re.search("[a-z]{4}", english[key])]
    assert same == ["activation_sigmoid", "activation_tanh", "times"]  # of "times" only a name in braces is English


def test_every_kernel_that_ships_has_a_chinese_summary() -> None:
    library = Library()
    made = [library.build(definition) for definition, _ in library.names()]
    known = json.loads((WEB / "summaries.zh.json").read_text(encoding="utf-8"))
    missing = {kernel.summary for found in made for kernel in found.kernels} - set(known)
    assert missing == set()


def test_all_words_are_used_and_all_used_words_exist() -> None:
    code = "".join((WEB / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    code += (WEB / "page.html").read_text(encoding="utf-8") + (WEB.parent / "page.py").read_text(encoding="utf-8")
    made = ("activation_", "merge_", "step_", "plane_", "channels_")
    unused = [key for key in WORDS["en"] if key not in code and not key.startswith(made)]
    assert [key for key in unused if not key.endswith("Text")] == []
    for key in re.findall(r'say\("(\w+)"', code) + re.findall(r"\{\{w:(\w+)\}\}", code):
        assert key in WORDS["en"], key


def test_every_script_of_the_folder_is_in_the_page() -> None:
    assert sorted(path.stem for path in WEB.glob("*.js")) == sorted(SCRIPTS)


def test_rooms_are_small() -> None:
    sizes = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in WEB.iterdir()}
    assert {name: lines for name, lines in sizes.items() if lines > 320} == {}


def test_settings_are_told() -> None:
    text = "".join(Reader(render(demo("rgb"))).text)
    for words in ("convtool explain --demo rgb", "teaching-rgb.png, 5×5", "5×5×3 uint8", "added up", "3×3 uint8"):
        assert words in text
    assert "rows 332 to 395, columns 762 to 825" in "".join(Reader(render(photo("edge"))).text)
    assert "same (1)" in "".join(Reader(render(photo("edge"))).text)
