"""quality/assess: rules, grades, languages, and the job that stores them."""

import string
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl import Recipe, Tally, drain
from etl.keys import content_key, part_key
from quality.assess import GATES, RULES, assess, assess_frame, masked, pending, recipe, rules_table
from quality.assess.grade import letter, score
from quality.assess.language import languages
from quality.assess.repetition import repetition
from quality.assess.shapes import base58_checked, iban, luhn

LONG = (
    "The relative strength index compares the size of recent gains with that of recent losses and gives a number "
    "between zero and one hundred. Traders read values above seventy as overbought and values below thirty as "
    "oversold, although a strong trend can hold it beyond these lines for weeks. "
)
# put together at run time, so that no scanner takes this file for a leak
AWS_KEY = "AKIA" + "QX7T2MLWZ9PB4RVN"
GITHUB = "ghp_" + "a9Kd82LmQz7XwPv3RtYb6NcJ4HsGf1Eu0TiO"
CARD = "4539 1488 0343 6467"
IBAN = "NL91 ABNA 0417 1643 00"


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    full = []
    for row in rows:
        base = {
            "context": None, "indicator": None, "category": None, "sources": ["https://example.org"],
            "alternatives": [], "question": "What is the relative strength index?", "answer": LONG,
        } | row  # fmt: skip
        base["key"] = content_key(base["question"], base["answer"], base["context"])
        base["question_key"], base["answer_key"] = part_key(base["question"]), part_key(base["answer"])
        full.append(base)
    texts = dict.fromkeys(("context", "indicator", "category"), pl.String)
    return pl.DataFrame(full, schema_overrides=texts | dict.fromkeys(("sources", "alternatives"), pl.List(pl.String)))


def flags_of(*, languages: tuple[str, ...] = ("en",), **row: Any) -> dict[str, str]:
    flags, _ = assess_frame(frame(row), languages=languages)
    return dict(flags.select("flag", "evidence").iter_rows())


def grade_of(**row: Any) -> dict[str, Any]:
    return assess_frame(frame(row))[1].row(0, named=True)


@pytest.mark.parametrize(
    "answer", ["-", "...", "None", "n/a", "N.A.", "null", "???", "<no output>", "No answer provided."]
)
def test_an_answer_without_content_is_empty(answer: str) -> None:
    assert "empty_answer" in flags_of(answer=answer)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How many moons does Venus have?", "None"),
        ("Is it open?", "No"),
        ("What is 7 times 6?", "42"),
        ("Which sign?", "%"),
    ],
)
def test_a_short_answer_with_content_is_not_empty(question: str, answer: str) -> None:
    assert "empty_answer" not in flags_of(question=question, answer=answer)


@pytest.mark.parametrize(
    "answer",
    ["TODO", "TODO: ask the desk", "TBD", "[Insert answer here]", "Your answer here.", "Lorem ipsum dolor sit amet",
     "to be added", "coming soon", "<noinput>"],
)  # fmt: skip
def test_placeholders_are_found(answer: str) -> None:
    assert "placeholder_answer" in flags_of(answer=answer)


def test_a_spanish_todo_and_a_sentence_about_todo_lists_are_no_placeholders() -> None:
    assert "placeholder_answer" not in flags_of(answer="Todo se convierte en matemáticas.")
    assert "placeholder_answer" not in flags_of(answer="A TODO list keeps what is still to be done.")


def test_a_question_given_back_as_answer_is_found_whatever_its_stop_and_case() -> None:
    assert "question_equals_answer" in flags_of(question="Do you feel emotions", answer="do you feel emotions?")
    assert "question_equals_answer" not in flags_of(question="C#?", answer="C")


def test_paris_is_short_and_yet_no_f() -> None:
    """A right one-word answer without anything else stays above F, and is a B once its columns are filled."""
    bare = grade_of(question="What is the capital of France?", answer="Paris", sources=[])
    full = grade_of(question="What is the capital of France?", answer="Paris", category="geography", indicator="france")
    assert "too_short" in flags_of(question="What is the capital of France?", answer="Paris")
    assert (bare["grade"], full["grade"]) == ("D", "B")
    assert bare["score"] == pytest.approx(0.664, abs=1e-4)


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (LONG + "It was published by Welles Wilder in 1978 together with several other measures of the", "dangling"),
        (LONG + "It was published by Welles Wilder, together with several other measures,", "comma"),
        ("Use the following code:\n```python\nprint(1)\n", "fence"),
        (LONG + "It was published by Welles Wilder (who also wrote about the average", "bracket"),
        (LONG + "It was published by an engineer who also wrote about several other measures of mov", "mid-sentence"),
        (LONG + "It was published by Welles Wilder, who also wrote about...", "ellipsis"),
    ],
)
def test_answers_that_stop_midway_are_truncated(answer: str, what: str) -> None:
    assert what in flags_of(answer=answer)["truncated"]


@pytest.mark.parametrize(
    "answer",
    [
        "Paris", "42", LONG, "1. Open the file\n2. Read it\n3. Close it",
        "相対力指数はモメンタム指標です。", "RSI = 100 - 100 / (1 + RS)",
        "مؤشر القوة النسبية هو مقياس للزخم يستخدم في التحليل الفني؟",
        "- apples\n- pears\n- plums", "def f(x):\n    return (x +",
        LONG + "See https://example.org/a/long/path", "```\nx = 1\n```", LONG + "Read more about the index",
        "The place they came from", ":( sad", "Smile :-(",
    ],
)  # fmt: skip
def test_lists_code_formulas_links_and_short_facts_are_whole(answer: str) -> None:
    assert "truncated" not in flags_of(answer=answer)


def test_a_span_cut_out_of_its_context_is_not_truncated() -> None:
    context = "Luther wrote the hymn Ein neues Lied wir heben an, his first, after two friars had died for their faith."
    assert "truncated" not in flags_of(answer="the hymn Ein neues Lied wir heben an,", context=context)


def test_repetition_is_found_in_runs_lines_and_paragraphs() -> None:
    varied = " ".join(f"word{n}" for n in range(60))
    answers = [
        "buy buy buy buy buy now", LONG + LONG, "\n".join(["the same line of text again and again"] * 12), varied, LONG,
    ]  # fmt: skip
    found = repetition(
        pl.DataFrame(
            {"answer": answers, "answer_words": [len(a.split()) for a in answers], "has_code": [False] * len(answers)}
        )
    )
    assert "'buy' 5 times" in found[0]
    assert "ten words" in found[1]
    assert "lines" in found[2]
    assert found[3:].to_list() == [None, None]


@given(st.lists(st.text(alphabet="ab \n", max_size=300), max_size=8))
@settings(max_examples=30, deadline=None)
def test_repetition_of_one_answer_does_not_depend_on_its_neighbours(answers: list[str]) -> None:
    def found(texts: list[str]) -> list[str | None]:
        words = [len(text.split()) for text in texts]
        columns = {"answer": pl.Series(texts, dtype=pl.String), "answer_words": pl.Series(words, dtype=pl.UInt32)}
        return repetition(pl.DataFrame(columns).with_columns(has_code=pl.lit(value=False))).to_list()

    assert found(answers) == [found([answer])[0] for answer in answers]


def test_wrong_decoding_is_found_and_right_accents_are_not() -> None:
    assert flags_of(answer="The temperature is 25Â°C and itâ€™s rising.")["mojibake"].startswith("answer: ")
    assert "mojibake" in flags_of(answer="caf\ufffd au lait is a coffee")
    for right in (
        "São Paulo não é a capital. ÇA VA À PÂQUES",
        "Ångström, Ärger, naïve café – “quoted”…",
        "Москва — столица",
    ):
        assert "mojibake" not in flags_of(answer=right)


def test_refusals_count_and_quoted_refusals_do_not() -> None:
    assert "refusal" in flags_of(answer="As an AI language model, I cannot give financial advice.")
    assert "refusal" in flags_of(answer="I'm sorry, but I can't assist with that request.")
    assert "refusal" not in flags_of(answer='A typical refusal reads: "As an AI language model, I cannot do that."')
    assert "refusal" not in flags_of(answer="I can't stress enough how much position size matters.")
    assert "refusal" not in flags_of(answer="Banks cannot provide advice as an AI would.")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"The key is {AWS_KEY} for the bucket.", "aws_access_key"),
        (f"git clone with {GITHUB}", "github_token"),
        ("Use sk-proj-" + "Zk81LmQv93TbYx7RwPd2NcJ4", "model_provider_key"),
        ("postgres" + "://trader:h7Gq9zLp2w@db.internal:5432/ticks", "password_in_url"),
        (
            "seed phrase: ladder crumble olive magnet tissue velvet orbit canyon rescue gravity pencil stadium",
            "seed_phrase",
        ),
        ("-----BEGIN RSA " + "PRIVATE KEY-----\n" + "MIIEowIBAAKCAQEA7Zq3Lw9P" * 4, "private_key_block"),
        ("bearer eyJ" + "hbGciOiJIUzI1NiJ9.eyJ" + "zdWIiOiJ0cmFkZXIifQ.c2lnbmF0dXJlT2ZUaGlz", "json_web_token"),
    ],
)
def test_secrets_are_found_and_never_stored_again(text: str, kind: str) -> None:
    flags, _ = assess_frame(frame({"answer": text + " " + LONG, "question": "What is in there? {{name}}"}))
    assert kind in flags.filter(flag="secret")["evidence"].item()
    secret = max(text.split(), key=len)
    assert not any(secret in evidence for evidence in flags["evidence"])
    assert secret not in masked(text)


@pytest.mark.parametrize(
    "text",
    [
        "The access key looks like AKIAIOSFODNN7EXAMPLE in the documentation.", "Set sk-" + "x" * 30,
        "Paste your ghp_" + "0" * 36, "The transaction 0x" + "9f3c" * 16,
        "Send it to 1BoatSLRHtKNngkdXEeobR76b53LETtpyT",
        "Write down your seed phrase: it is the only way to get your money back when you lose your wallet for good.",
    ],
)  # fmt: skip
def test_examples_addresses_and_hashes_are_no_secrets(text: str) -> None:
    assert "secret" not in flags_of(answer=text)


@pytest.mark.parametrize(
    "text",
    ["Write to anna.keller@bluewin.ch today.", "Ask peter77@gmail.com", f"Pay {CARD} please", f"Send it to {IBAN}.",
     "Call me at +41 79 412 88 03 tonight.", "My number is (212) 736-5021."],
)  # fmt: skip
def test_personal_data_is_found_and_masked(text: str) -> None:
    evidence = flags_of(answer=text)["personal_data"]
    assert "characters]" in evidence
    assert not any(part in evidence for part in ("anna", "peter", "4539", "0417", "412", "736"))


@pytest.mark.parametrize(
    "text",
    ["Mail user@example.com or info@example.org", "Call 1-800-232-4636 for help", "Test with 4111 1111 1111 1111",
     "The number 4539 1488 0343 6468 fails its check", "The hotline is (301) 496-5248", "Order 12345678901234567890",
     "Send 0.1 BTC to bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "It rose from 1,234.56 to 2,345.67 in 2024-05-06"],
)  # fmt: skip
def test_examples_hotlines_and_plain_numbers_are_not_personal(text: str) -> None:
    assert "personal_data" not in flags_of(answer=text)


def test_an_organisations_number_is_a_contact_and_weighs_little() -> None:
    assert "contact_details" in flags_of(answer="The hotline of the institute is (301) 496-5248.")


def test_checksums_hold_and_fail() -> None:
    assert luhn("4539148803436467")
    assert not luhn("4539148803436468")
    assert iban(IBAN)
    assert not iban(IBAN.replace("43", "34"))
    assert base58_checked("1BoatSLRHtKNngkdXEeobR76b53LETtpyT")
    assert not base58_checked("1BoatSLRHtKNngkdXEeobR76b53LETtpyU")


@given(st.text(alphabet=string.printable, max_size=200))
@settings(max_examples=80, deadline=None)
def test_masking_twice_is_masking_once(text: str) -> None:
    assert masked(masked(text)) == masked(text)


def test_templates_markup_and_statements() -> None:
    assert "unresolved_template" in flags_of(answer="Dear {{customer_name}}, thank you for your order.")
    assert "unresolved_template" in flags_of(question="What is {topic}?")
    assert "unresolved_template" not in flags_of(answer="In LaTeX write \\frac{alpha}{beta} for it.")
    assert "unresolved_template" not in flags_of(question="Write a letter.", answer="Dear Ann,\nall well.\n[Your Name]")
    assert "html_markup" in flags_of(answer="The index is <b>bold</b>&nbsp;and simple.")
    assert "html_markup" not in flags_of(question="How do I make HTML text bold?", answer="Use <b>text</b>.")
    assert "html_markup" not in flags_of(answer="It holds when a < b and b > c.")
    assert "not_a_question" in flags_of(question="The market was closed on Monday.")
    assert "not_a_question" not in flags_of(question="The Nile is in Asia.", answer="False")
    assert "not_a_question" not in flags_of(question="Explain the index.")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What is RSI?", "en"), ("What is RSI? 70", "en"), ("Pandas do not hibernate. True", "en"), ("42 17", "und"),
        ("RSI 14", "und"), ("", "und"), ("什么是相对强弱指数？", "zh"), ("これは指標です", "ja"),
        ("이것은 지표입니다", "ko"),
        ("Was ist der Unterschied zwischen Geld- und Briefkurs? Der Briefkurs ist höher.", "de"),
        ("Что показывает индекс относительной силы? Он показывает скорость движения цены.", "ru"),
        ("ما هو مؤشر القوة النسبية؟ هو مؤشر يقيس سرعة تغير السعر", "ar"),
        ("¿Qué es el índice de fuerza relativa? Es un oscilador que mide la velocidad del precio.", "es"),
    ],
)  # fmt: skip
def test_languages(text: str, language: str) -> None:
    assert languages(pl.Series([text]))["language"].item() == language


def test_an_unexpected_language_is_flagged_only_when_it_is_not_wanted() -> None:
    german: dict[str, Any] = {
        "question": "Was ist der Unterschied zwischen Geld und Brief?",
        "answer": "Der Briefkurs ist der höhere von beiden Kursen, zu dem man kauft.",
    }
    assert "unexpected_language" in flags_of(**german)
    assert "unexpected_language" not in flags_of(**german, languages=("en", "de"))
    assert "unexpected_language" not in flags_of(**german, languages=())


def test_letters_follow_the_documented_arithmetic() -> None:
    scores = pl.DataFrame({"s": [1.0, 0.9, 0.8999, 0.8, 0.7, 0.45, 0.4499, 0.0]})
    assert scores.select(letter(pl.col("s"))).to_series().to_list() == ["A", "A", "B", "B", "C", "D", "F", "F"]
    assert pl.select(score(pl.lit(0.3), pl.lit(0.6))).item() == pytest.approx(1 - 0.3 - 0.25 * 0.4)
    full = grade_of(category="trading", indicator="rsi", context="A page about oscillators.")
    assert (full["score"], full["grade"], full["completeness"]) == (1.0, "A", 1.0)


def test_every_rule_is_documented_once() -> None:
    table = rules_table()
    assert table["flag"].n_unique() == len(RULES) >= 15
    assert table.filter(pl.col("means").str.len_chars() < 20).is_empty()
    assert set(GATES) == set(table.filter("gate")["flag"])
    assert table["weight"].is_between(0, 1).all()


@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=80), st.text(min_size=1, max_size=200)),
        min_size=1,
        max_size=6,
        unique=True,
    )
)
@settings(max_examples=20, deadline=None)
def test_any_text_gets_exactly_one_grade_and_known_flags(texts: list[tuple[str, str]]) -> None:
    pairs = frame(*({"question": q, "answer": a} for q, a in texts)).unique("key", maintain_order=True)
    flags, grades = assess_frame(pairs)
    assert grades["key"].to_list() == pairs["key"].to_list()
    assert grades["score"].is_between(0, 1).all()
    assert grades["completeness"].is_between(0, 1).all()
    assert set(flags["flag"]) <= {rule.flag for rule in RULES}
    assert flags.select("key", "flag").is_duplicated().any() is False
    again = assess_frame(pairs.reverse())
    assert again[1].sort("key").equals(grades.sort("key"))


def rows(store: Any) -> tuple[list[Any], list[Any]]:
    return (
        store.query("SELECT * FROM flags ORDER BY ALL").rows(),
        store.query("SELECT * FROM grades ORDER BY ALL").rows(),
    )


def test_the_job_assesses_what_is_live_and_then_has_nothing_to_do(store: Any, add_pairs: Any) -> None:
    add_pairs(store, [{"question": f"What is {n}?", "answer": f"It is number {n} of all."} for n in range(7)])
    add_pairs(store, [{"question": "Gone?", "answer": "Retracted.", "occurrences": 0}])
    assert pending(store).amount == 7
    meter = Tally()
    steps = list(assess(store, meter=meter, batch=3))
    assert [(s.done, s.total) for s in steps] == [(3, 7), (6, 7), (7, 7)]
    assert meter.spent["pairs"] == 7
    assert not pending(store)
    assert store.value("SELECT count(*) FROM grades") == 7
    assert list(assess(store, meter=meter)) == []


def test_a_failed_batch_leaves_nothing_and_the_next_run_ends_as_if_it_never_failed(store: Any, add_pairs: Any) -> None:
    class Breaks(Tally):
        def spend(self, resource: str, amount: float = 1) -> None:
            super().spend(resource, amount)
            if self.spent[resource] > 4:
                raise RuntimeError("power cut")

    pairs = [{"question": f"What is {n}?", "answer": "N/A" if n % 2 else LONG} for n in range(8)]
    add_pairs(store, pairs)
    with pytest.raises(RuntimeError):
        drain(assess(store, meter=Breaks(), batch=4))
    assert pending(store).amount == 4
    drain(assess(store, meter=Tally(), batch=4))
    from etl import Store

    whole = Store.open(":memory:")
    add_pairs(whole, pairs)
    drain(assess(whole, meter=Tally()))
    assert rows(store) == rows(whole)


def test_a_changed_parameter_redoes_everything_and_leaves_one_row_a_key(store: Any, add_pairs: Any) -> None:
    add_pairs(store, [{"question": "Was ist der Kurs von heute?", "answer": "Der Kurs ist heute höher als gestern."}])
    drain(assess(store, meter=Tally()))
    assert "unexpected_language" in store.query("SELECT flag FROM flags")["flag"]
    why = pending(store, languages=("en", "de"))
    assert (why.amount, "languages" in why.why) == (1, True)
    drain(assess(store, meter=Tally(), languages=("en", "de")))
    assert "unexpected_language" not in store.query("SELECT flag FROM flags")["flag"]
    assert store.value("SELECT count(*) FROM grades") == 1


def test_flags_of_the_corpus_survive_a_new_assessment(store: Any, add_pairs: Any) -> None:
    (key,) = add_pairs(store, [{"question": "What?", "answer": "This one here."}])
    with store.unit("audit", "test", recipe=Recipe("audit", 1)) as unit:
        unit.execute("INSERT INTO flags VALUES (?, 'thin_category', 'corpus', 'x', 'r')", [key])
    drain(assess(store, meter=Tally()))
    assert store.value("SELECT count(*) FROM flags WHERE scope = 'corpus'") == 1
    assert recipe().digest in store.query("SELECT DISTINCT recipe FROM grades")["recipe"]
