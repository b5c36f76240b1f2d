"""Texts in many encodings come out as they went in, or with the doubt recorded; stray characters follow one rule."""

import json
from pathlib import Path

import pytest

from etl.detect.encoding import Text, decode
from etl.detect.format import Refusal
from etl.normalise import normalise
from etl.normalise.repair import repair_text
from etl.read import read
from etl.read.file import read_bytes

TEXTS = {
    "en": "What is 'RSI'? It is an oscillator.", "de": "Was heißt Größe? Sie heißt Übermaß, „viel“.",
    "ru": "Что такое индекс относительной силы? Это осциллятор, он сравнивает рост и падение.",
    "pl": "Czym jest wskaźnik siły względnej? To oscylator, który porównuje wzrosty i spadki. Żółć.",
    "tr": "Göreli güç endeksi nedir? Fiyatın yükseliş ve düşüşlerini karşılaştırır. İşte.",
    "el": "Τι είναι ο δείκτης σχετικής ισχύος; Συγκρίνει τις ανόδους και τις πτώσεις.",
    "he": "מהו מדד העוצמה היחסית? הוא משווה עליות וירידות.",
    "ar": "ما هو مؤشر القوة النسبية؟ يقارن بين الارتفاع والانخفاض.",
    "zh": "什么是相对强弱指标？它是一种比较涨跌幅度的振荡器。",
    "zht": "什麼是相對強弱指標？它是一種比較漲跌幅度的振盪器。",
    "ja": "相対力指数とは何ですか。価格の上昇と下落を比べるオシレーターです。",
    "ko": "상대강도지수란 무엇입니까? 가격의 상승과 하락을 비교하는 지표입니다.",
}  # fmt: skip
CODE_PAGES = [
    ("de", "windows-1252"), ("de", "iso8859-15"), ("pl", "windows-1250"), ("pl", "iso8859-2"), ("ru", "windows-1251"),
    ("ru", "koi8-r"), ("el", "windows-1253"), ("tr", "windows-1254"), ("he", "windows-1255"), ("ar", "windows-1256"),
    ("zh", "gb18030"), ("zh", "gbk"), ("zht", "big5"), ("ja", "shift_jis"), ("ja", "euc_jp"), ("ja", "iso2022_jp"),
    ("ko", "euc_kr"), ("ko", "cp949"),
]  # fmt: skip
UNICODE = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"]


@pytest.mark.parametrize(("language", "encoding"), CODE_PAGES, ids=lambda value: value)
@pytest.mark.parametrize("lines", [1, 30])
def test_a_code_page_is_found_and_its_confidence_recorded(language: str, encoding: str, lines: int) -> None:
    text = "question,answer\n" + f"{TEXTS[language].replace('„viel“', 'viel')}\n" * lines
    found = decode(text.encode(encoding))
    assert isinstance(found, Text)
    assert found.data.decode("utf-8") == text, (found.encoding, found.confidence)
    assert found.confidence < 1
    assert found.evidence


@pytest.mark.parametrize("encoding", UNICODE)
@pytest.mark.parametrize("language", ["en", "de", "ru", "zh"])
def test_unicode_is_read_with_a_mark_and_latin_text_without(encoding: str, language: str) -> None:
    marks = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff", "utf-32-be": b"\x00\x00\xfe\xff"}
    data = TEXTS[language].encode(encoding)
    for given in [marks.get(encoding, b"") + data] + ([data] if language == "en" and encoding != "utf-32-be" else []):
        found = decode(given)
        assert isinstance(found, Text)
        assert (found.data.decode("utf-8"), found.confidence) == (TEXTS[language], 1.0)


@pytest.mark.parametrize(("text", "encoding"), [(TEXTS["ru"], "iso8859-5"), (TEXTS["ru"], "cp866")])
def test_a_code_page_that_nobody_sends_any_more_leaves_its_doubt_in_the_books(text: str, encoding: str) -> None:
    text = text.replace(",", "")
    data = f"question,answer\n{text},{text}\n".encode(encoding)
    found = read_bytes(data)
    assert found.format is not None
    assert any("confidence 0.0" in line for line in found.format.evidence), found.format.evidence


def test_lines_of_another_encoding_are_decoded_by_themselves() -> None:
    lines = [f'{{"question": "Größe {i}?", "answer": "Zürich"}}'.encode() for i in range(20)]
    lines[7] = '{"question": "Façade?", "answer": "Curaçao"}'.encode("cp1252")
    found = read_bytes(b"\n".join(lines))
    assert found.candidates["answer"][7] == "Curaçao"
    assert found.format is not None
    assert found.format.encoding.startswith("utf-8+")
    assert any(line.endswith(": 8") for line in found.format.evidence)


def test_bytes_that_no_encoding_explains_are_refused() -> None:
    assert isinstance(decode(b"\xff\xfe\x00"), Refusal)


REAL = [
    ("alpaca_seed/seed_tasks.jsonl", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "windows-1252"]),
    ("cmrc2018/squad-style-data__cmrc2018_dev.json", ["gb18030", "utf-16-be"]),
    ("xquad/xquad.ar.json", ["windows-1256", "utf-32"]),
    ("chatterbot_corpus/chatterbot_corpus/data/german/conversations.yml", ["iso8859-15"]),
    ("chatterbot_corpus/chatterbot_corpus/data/french/trivia.yml", ["windows-1252", "mac_roman"]),
    ("chatterbot_corpus/chatterbot_corpus/data/chinese/trivia.yml", ["gbk", "utf-16"]),
]


@pytest.mark.parametrize(("name", "encoding"), [(name, encoding) for name, given in REAL for encoding in given])
def test_a_real_delivery_gives_the_same_texts_in_another_encoding_or_records_its_doubt(
    name: str, encoding: str, real_deliveries: Path, tmp_path: Path
) -> None:
    text = (real_deliveries / name).read_bytes().decode("utf-8-sig").encode(encoding, "ignore").decode(encoding)
    for codec in ("utf-8", encoding):
        (tmp_path / codec).write_bytes(text.encode(codec))
    as_sent, transcoded = read(tmp_path / "utf-8"), read(tmp_path / encoding)
    texts = ["question", "answer", "context", "alternatives"]
    assert as_sent.candidates.height > 5
    if not transcoded.candidates.select(texts).equals(as_sent.candidates.select(texts)):
        said = transcoded.format.evidence if transcoded.format else (str(transcoded.refusal),)
        assert any("with confidence 0." in line for line in said), said
        assert encoding == "mac_roman"  # the only one of these that is not found


# ── stray characters ─────────────────────────────────────────────────────────────────────────────────────────

RULES = {
    "mojibake": ("GrÃ¶ÃŸe ist wichtig\x85", "Größe ist wichtig…"),
    "surrogate": ("a \ud800 b", "a \ufffd b"),
    "line_break": ("a\u2028b\r\nc\x0cd", "a\nb\nc\nd"),
    "control": ("a\x00b\x07c\td", "abc\td"),
    "bidi": ("a\u202eb\u2066c\u200fd", "abc\u200fd"),
    "bom": ("a\ufeffb", "ab"),
}


@pytest.mark.parametrize("rule", RULES)
def test_each_stray_character_follows_its_rule_which_is_recorded_with_the_raw_text(rule: str) -> None:
    raw, mended = RULES[rule]
    assert repair_text(raw) == (mended, (rule,))
    if rule == "surrogate":  # no file can hold one: JSON that escapes half a pair is refused, UTF-8 has none
        refusal = read_bytes(b'[{"question": "Q?", "answer": "a \\ud800 b"}]').refusal
        assert refusal is not None
        assert "half of a surrogate pair" in refusal.evidence
        return
    found = read_bytes(json.dumps([{"question": "Q?", "answer": raw}]).encode())
    row = normalise(found.candidates).candidates.row(0, named=True)
    assert (row["answer"], row["repairs"]) == (mended, [f"answer:{rule}"])
    assert json.loads(row["raw"]) == {"answer": raw}


def test_the_rules_in_the_documentation_are_those_of_the_code() -> None:
    page = (Path(__file__).parents[1] / "docs" / "shapes.md").read_text(encoding="utf-8")
    assert [rule for rule in RULES if f"| `{rule}` |" not in page] == []
