"""The shapes of secrets and personal data, and the checks that keep their precision high.

Provider prefixes are those the providers publish; whatever carries a checksum is checked. Telephone numbers and e-mail
addresses of organisations look like those of persons, so a number counts as personal only beside a personal word, an
address only at a free-mail provider or as first.last; the rest are contact details. (In MedQuAD and the COVID FAQ all
26 numbers and addresses that were read belonged to organisations.)
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One shape. `hint` is a cheap pattern that finds the rows to look at; `check` may refuse a match."""

    name: str
    pattern: re.Pattern[str]
    hint: str
    check: Callable[[re.Match[str]], bool]


def _not_an_example(match: re.Match[str]) -> bool:
    """Real keys use many different characters and say nothing; EXAMPLE, XXXX and 1234567890 are documentation."""
    body = re.sub(r"[^A-Za-z0-9]", "", match[0])
    if re.search(r"(?i)example|sample|dummy|your|redacted|placeholder|12345678|abcdefg|x{5,}|0{6,}", body):
        return False
    return len(set(body)) >= min(10, len(body) // 2)


def luhn(digits: str) -> bool:
    """The check digit of ISO/IEC 7812: doubled every second digit from the right, the sum a multiple of ten."""
    sums = [sum(divmod(int(digit) * (1 + place % 2), 10)) for place, digit in enumerate(reversed(digits))]
    return sum(sums) % 10 == 0


# test numbers of the card schemes and payment providers
_TEST_CARDS = {
    "4111111111111111", "4242424242424242", "5555555555554444", "378282246310005", "371449635398431",
    "6011111111111117", "5105105105105100", "4012888888881881", "4000056655665556", "30569309025904",
}  # fmt: skip


def _card(match: re.Match[str]) -> bool:
    digits = re.sub(r"\D", "", match[0])
    return luhn(digits) and digits not in _TEST_CARDS and len(set(digits)) >= 5


_EXAMPLE_IBANS = {
    "GB82WEST12345698765432",
    "DE89370400440532013000",
    "GB29NWBK60161331926819",
    "FR1420041010050500013M02606",
}


def iban(found: str) -> bool:
    """ISO 13616: country and check digits moved to the end, letters as 10 to 35, the remainder by 97 is 1."""
    plain = re.sub(r"\s", "", found).upper()
    if plain in _EXAMPLE_IBANS or not 15 <= len(plain) <= 34:
        return False
    return int("".join(str(int(sign, 36)) for sign in plain[4:] + plain[:4])) % 97 == 1


_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def base58_checked(found: str) -> bool:
    """Base58Check: the last four bytes are the double sha256 of those before."""
    number = 0
    for sign in found:
        number = number * 58 + _BASE58.index(sign)
    leading = len(found) - len(found.lstrip("1"))  # each leading 1 is a zero byte
    data = bytes(leading) + number.to_bytes((number.bit_length() + 7) // 8, "big")
    return hashlib.sha256(hashlib.sha256(data[:-4]).digest()).digest()[:4] == data[-4:]


_FREE_MAIL = re.compile(
    r"(?i)^(?:g(?:oogle)?mail|yahoo|ymail|hotmail|outlook|live|msn|icloud|me|aol|proton(?:mail)?|pm|gmx|web|t-online|"
    r"mail|yandex|qq|163|126|sina|naver|hanmail|rediffmail|zoho|fastmail|tutanota|libero|orange|free|laposte)\."
    r"(?:com|net|org|de|fr|it|ru|cn|me|ch|at|co\.\w\w|com\.\w\w|\w\w)$"
)
_FIRST_LAST = re.compile(r"^[a-z]{2,}\.[a-z]{2,}\d{0,4}$", re.IGNORECASE)
_NOBODY = re.compile(
    r"(?i)example|sample|placeholder|^(?:your|user|someone|name|first|last|me|you|abc|xyz|foo|bar|test)\b|john\W?doe|"
    r"jane\W?doe|first\W?name|your\W?(?:e?mail|name)|username|^(?:e?mail|no-?reply|info|sender|receiver|recipient|from|to)$|"
    r"(?:sender|receiver|recipient|e?mail)_?(?:e?mail|address)$"
)
_NOWHERE = re.compile(
    r"(?i)(?:^|\.)(?:example|test|invalid|localhost|domain|yourdomain|mydomain|company|yourcompany|acme|email|website|"
    r"xyz|abc|foo|bar)\.\w+$|\.(?:example|test|invalid|local|png|jpg|gif|svg|js|css)$"
)


def _somebodys_mail(match: re.Match[str]) -> bool:
    name, _, domain = match[0].partition("@")
    return not (_NOBODY.search(name) or _NOWHERE.search(domain))


def _personal_mail(match: re.Match[str]) -> bool:
    name, _, domain = match[0].partition("@")
    return _somebodys_mail(match) and bool(_FREE_MAIL.match(domain) or _FIRST_LAST.match(name))


def _real_phone(match: re.Match[str]) -> bool:
    digits = re.sub(r"\D", "", match[0])
    fictional = "555" in (digits[-10:-7], digits[-7:-4]) or len(set(digits)) < 4 or "123456" in digits
    return 8 <= len(digits) <= 15 and not fictional


# "my", "call me" or a mobile before the number; a hotline, a toll-free number or an office has none of these.
_PERSONAL_CUE = re.compile(
    r"(?i)\b(?:my|his|her|mobile|cell(?:phone)?|whats ?app|home phone|call me|text me|reach me|handy|portable|móvil)\b"
)
_TOLL_FREE = re.compile(r"^1?(?:800|888|877|866|855|844|833)")


def _personal_phone(match: re.Match[str]) -> bool:
    before = match.string[max(0, match.start() - 50) : match.start()]
    toll_free = _TOLL_FREE.match(re.sub(r"\D", "", match[0]))
    return _real_phone(match) and not toll_free and bool(_PERSONAL_CUE.search(before))


def _seed_phrase(match: re.Match[str]) -> bool:
    said = match[1].casefold().replace(",", " ").split()
    return len(set(said)) >= 10 and not set(said) & {"the", "and", "you", "your", "are", "for", "that", "with", "not"}


def _checked(match: re.Match[str]) -> bool:
    return base58_checked(match[0])


def _iban(match: re.Match[str]) -> bool:
    return iban(match[0])


def _kind(name: str, pattern: str, hint: str, check: Callable[[re.Match[str]], bool] = _not_an_example) -> Kind:
    return Kind(name, re.compile(pattern), hint, check)


_EDGE, _END = r"(?<![A-Za-z0-9_/+-])", r"(?![A-Za-z0-9_/+-])"
_58 = "1-9A-HJ-NP-Za-km-z"
_WORDS = r"(?:[a-z]{3,8}[ ,]+){11}(?:(?:[a-z]{3,8}[ ,]+){12})?[a-z]{3,8}"
_MAIL = r"(?<![\w.+/:-])[A-Za-z0-9][\w.+-]{0,62}@[A-Za-z0-9-]{1,62}(?:\.[A-Za-z0-9-]{2,62})+\b"
_MAIL_HINT = r"[A-Za-z0-9]@[A-Za-z0-9-]+\.[A-Za-z]"
_PHONE = (
    r"(?<![\w.$€£/=-])(?:\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]\d{2,4}){2,4}|"
    r"\+\d{1,3}[ .-]\d{2,4}[ .-]\d{6,8}|"
    r"(?:1[ .-])?(?:\(\d{3}\) ?|\d{3}-)\d{3}-\d{4})(?![\w/-]|\.\d)"
)
_PHONE_HINT = r"[0-9]{3}(?:[.-]|\) ?)[0-9]{3}[ .-][0-9]{4}|\+[0-9]{1,3}[ .(-]{0,2}[0-9]"
_CARD_HINT = r"[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}|3[47][0-9]{2}[ -]?[0-9]{6}"
_IBAN_HINT = "[A-Z]{2}[0-9]{2}[ A-Z0-9]{11}"
_GROUPS = r"(?<![\w.+-])(?:4\d{3}|5[1-5]\d\d|6011|65\d\d|2[2-7]\d\d)([ -]?)\d{4}\1\d{4}\1\d{4}(?![.-]?\d)"
_AMEX = r"(?<![\w.+-])3[47]\d{2}([ -]?)\d{6}\2\d{5}(?![.-]?\d)"

SECRETS = (
    _kind("aws_access_key", rf"{_EDGE}(?:AKIA|ASIA)[0-9A-Z]{{16}}{_END}", "AKIA|ASIA"),
    _kind("github_token", rf"{_EDGE}(?:gh[pousr]_[A-Za-z0-9]{{36}}|github_pat_\w{{60,90}}){_END}", "gh[pousr]_|b_pat_"),
    _kind("gitlab_token", rf"{_EDGE}glpat-[\w-]{{20}}{_END}", "glpat-"),
    _kind("slack_token", rf"{_EDGE}xox[abprs]-[A-Za-z0-9-]{{20,}}", "xox[abprs]-"),
    _kind("slack_webhook", r"hooks\.slack\.com/services/T\w{8,}/B\w{8,}/\w{20,}", "hooks.slack"),
    _kind("model_provider_key", rf"{_EDGE}sk-(?:proj-|ant-|or-|svcacct-)?[\w-]*[A-Za-z0-9]{{20,}}[\w-]*", "sk-"),
    _kind("google_api_key", rf"{_EDGE}AIza[\w-]{{35}}{_END}", "AIza"),
    _kind("payment_key", rf"{_EDGE}(?:sk|rk)_live_[A-Za-z0-9]{{20,}}", "k_live_"),
    _kind("sendgrid_key", rf"{_EDGE}SG\.[\w-]{{20,24}}\.[\w-]{{39,50}}", r"SG\.[A-Za-z0-9]"),
    _kind("npm_token", rf"{_EDGE}npm_[A-Za-z0-9]{{36}}{_END}", "npm_"),
    _kind("hugging_face_token", rf"{_EDGE}hf_[A-Za-z]{{34}}{_END}", "hf_"),
    _kind("telegram_bot_token", r"(?<!\d)\d{8,10}:AA[\w-]{33}", ":AA"),
    _kind("json_web_token", rf"{_EDGE}eyJ[\w-]{{10,}}\.eyJ[\w-]{{10,}}\.[\w-]{{10,}}", "eyJ"),
    _kind(
        "private_key_block",
        r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY(?: BLOCK)?-----\s*(?:[\w-]+:.*\s+)*[A-Za-z0-9+/=\s]{40,}"
        r"(?:-----END [A-Z ]{0,20}PRIVATE KEY(?: BLOCK)?-----)?",
        "PRIVATE KEY",
    ),
    _kind(
        "password_in_url",
        r"\b[a-z][a-z0-9+]{2,12}://[^\s:/@<>\[\]{}$]{2,40}:(?!pass|pwd|secret|\*)[^\s:/@<>\[\]{}$]{6,60}@[\w.-]+",
        r"://[^\s/:@]*:[^\s/@]*@",
    ),
    _kind("bitcoin_private_key", rf"(?<![A-Za-z0-9])[5KL][{_58}]{{50,51}}(?![A-Za-z0-9])",
          rf"[5KL][{_58}]{{50}}", _checked),
    _kind("extended_private_key", rf"(?<![A-Za-z0-9])[xyz]prv[{_58}]{{107}}(?![A-Za-z0-9])", "[xyz]prv", _checked),
    _kind(
        "seed_phrase",
        rf"(?i)\b(?:seed|recovery|mnemonic|backup)(?: phrase| words| key)?\s*(?:is|:|=)+\s*[\"'“]?({_WORDS})\b",
        r"(?i)(?:seed|mnemonic|recovery|backup)[a-z ]{0,8}(?:is|:|=)",
        _seed_phrase,
    ),
)  # fmt: skip
PERSONAL = (
    _kind("e-mail", _MAIL, _MAIL_HINT, _personal_mail),
    _kind("telephone", _PHONE, _PHONE_HINT, _personal_phone),
    _kind("payment_card", f"{_GROUPS}|{_AMEX}", _CARD_HINT, _card),
    _kind("iban", r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b", _IBAN_HINT, _iban),
)  # fmt: skip
CONTACTS = (
    _kind("e-mail", _MAIL, _MAIL_HINT, lambda match: _somebodys_mail(match) and not _personal_mail(match)),
    _kind("telephone", _PHONE, _PHONE_HINT, lambda match: _real_phone(match) and not _personal_phone(match)),
)
