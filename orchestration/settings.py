"""`etl.toml` in, plain values out: every setting of a workspace with its default, read in this one place.

The commented file that `etl init` writes is made from the same declarations, so it cannot drift from the code.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import msgspec
from msgspec import Meta

from etl.errors import SettingsError

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Count = Annotated[int, Meta(ge=1)]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One table of etl.toml."""


class Project(Section, frozen=True):
    """What the collection is for."""

    goal: Annotated[int, Meta(ge=0, description="how many kept pairs you want; `etl status` shows the way to it")] = (
        40_000
    )
    languages: Annotated[tuple[str, ...], Meta(description="expected ones; others are flagged, never dropped")] = (
        "en",
    )


class Read(Section, frozen=True):
    """The child process that parses deliveries, and its limits."""

    timeout_s: Annotated[float, Meta(gt=0, description="seconds one file may take before its reader is stopped")] = (
        120.0
    )
    memory_mb: Annotated[
        int, Meta(ge=256, description="memory the reader may use, in MiB (not enforced on Windows)")
    ] = 8192
    aliases: Annotated[dict[str, str], Meta(description="the former place of [indicators] aliases; both are read")] = {}
    mappings: Annotated[
        dict[str, dict[str, str]],
        Meta(
            description='fields of files with unknown names: {"zai/*.csv" = {question = "frage", answer = "antwort"}}'
        ),
    ] = {}


class Indicators(Section, frozen=True):
    """Names of indicators. A list of common ones is built in; a change reads the deliveries again, pairs follow."""

    aliases: Annotated[
        dict[str, str], Meta(description='another name = the one to show: {"RSI" = "Relative Strength Index"}')
    ] = {}


class Categories(Section, frozen=True):
    """Names of categories. Case, spaces, hyphens and slashes never matter; a change reads the deliveries again."""

    synonyms: Annotated[
        dict[str, str], Meta(description='another name = the one to show: {"chain analytics" = "onchain"}')
    ] = {}
    paths: Annotated[
        dict[str, str],
        Meta(description='of records that give none, by the file: {"zai/institutional_*" = "institutional"}'),
    ] = {}


class Embed(Section, frozen=True):
    """The model that turns texts into vectors."""

    model: Annotated[str, Meta(description="a sentence-transformers name, or 'hash' (no model, for trials)")] = (
        "sentence-transformers/all-MiniLM-L6-v2"
    )
    path: Annotated[str, Meta(description="folder of the model, where it lies on disk; '' looks it up by name")] = ""
    device: Annotated[str, Meta(description="'' lets torch choose; or cpu, cuda, mps")] = ""
    engine: Annotated[
        str,
        Meta(
            pattern="^(torch|openvino|openvino-bf16)$",
            description="openvino (pip install 'motherlode[fast]') is faster on a CPU, openvino-bf16 more so",
        ),
    ] = "torch"
    batch_size: Annotated[int, Meta(ge=1, description="texts a forward pass")] = 64


class Link(Section, frozen=True):
    """From which similarity on alike pairs are remembered; well below the thresholds that decide."""

    floor_cosine: Annotated[float, Meta(ge=0.5, le=1, description="cosine of the two questions")] = 0.80
    floor_lexical: Annotated[float, Meta(ge=0.2, le=1, description="Jaccard similarity of the two questions")] = 0.50


class Resolve(Section, frozen=True):
    """When linked pairs are merged, wait for review, or are taken for answers to the same question."""

    merge_cosine: Annotated[
        Share, Meta(description="both sides alike by meaning: merge, if nothing speaks against it")
    ] = 0.84
    merge_lexical: Annotated[Share, Meta(description="both sides alike by words")] = 0.8
    review_cosine: Annotated[Share, Meta(description="both sides alike by meaning, but not for an automatic merge")] = (
        0.84
    )
    review_lexical: Annotated[Share, Meta(description="the same by words")] = 0.7
    same_question: Annotated[Share, Meta(description="questions this alike ask the same")] = 0.9
    answer_words: Annotated[
        Share, Meta(description="share of words that two answers of a merge must have in common")
    ] = 0.8


class Split(Section, frozen=True):
    """Shares of the kept pairs; they must add up to 1."""

    train: Share = 0.8
    validation: Share = 0.1
    test: Share = 0.1


class Export(Section, frozen=True):
    """What a release holds and what its gates leave out."""

    formats: Annotated[tuple[str, ...], Meta(description="of json, jsonl, csv, parquet")] = (
        "json",
        "jsonl",
        "csv",
        "parquet",
    )
    min_grade: Annotated[str, Meta(pattern="^[ABCDF]$", description="pairs graded lower are left out")] = "D"
    leave_out: Annotated[tuple[str, ...], Meta(description="pairs with one of these flags are left out")] = (
        "secret",
        "personal_data",
        "refusal",
        "empty_answer",
    )
    conflicts: Annotated[
        str, Meta(pattern="^(keep|leave_out)$", description="open contradictions: keep or leave_out")
    ] = "keep"
    review: Annotated[
        str, Meta(pattern="^(keep|leave_out)$", description="pairs waiting for review: keep or leave_out")
    ] = "keep"
    csv_safe: Annotated[bool, Meta(description="guard CSV cells that a spreadsheet would run as a formula")] = False


class Quota(Section, frozen=True):
    """One limit on something countable; [quota.NAME] adds one or changes one of these."""

    limit: Annotated[float, Meta(gt=0, description="how much there is")]
    resource: Annotated[str, Meta(description="what it counts; '' means its own name")] = ""
    per: Annotated[
        str,
        Meta(pattern="^(session|day|month|total|concurrent)$", description="session, day, month, total, concurrent"),
    ] = "session"
    reset: Annotated[str, Meta(pattern="^([01]\\d|2[0-3]):[0-5]\\d$", description="time of day at which it resets")] = (
        "00:00"
    )
    zone: Annotated[str, Meta(description="of that time, such as UTC or America/Los_Angeles")] = "UTC"
    agent: Annotated[str, Meta(description="only this agent, in place of the limit for all others; '' means all")] = ""
    warning: Annotated[Share, Meta(description="from here on look for a wrap point")] = 0.75
    wrap: Annotated[Share, Meta(description="finish the open unit, then wrap; no unit starts that would pass it")] = (
        0.85
    )
    hard_stop: Annotated[Share, Meta(description="the open unit is rolled back")] = 0.90
    panic: Annotated[Share, Meta(description="state and books are saved by force, what is open is flagged")] = 0.95


def default_quotas() -> dict[str, Quota]:
    """The limits of the first version, and a day's dollars for a thousand calls at $0.001."""
    return {
        "tokens": Quota(limit=200_000),
        "calls": Quota(limit=1_000, per="day"),
        "calls_zai": Quota(limit=5_000, resource="calls", per="day", agent="zai"),
        "slots": Quota(limit=10, per="concurrent", wrap=0.9, hard_stop=0.95, panic=1.0),
        "hours": Quota(limit=8),
        "dollars": Quota(limit=1, per="day"),
    }


class Git(Section, frozen=True):
    """Commits of the workspace's own papers: manifests, reports, handoffs, the queue; never pairs or the store."""

    enabled: Annotated[bool, Meta(description="false: no commits at all")] = True
    repository: Annotated[
        str,
        Meta(
            pattern="^(around|own)$",
            description="around: the one that the workspace lies in; own: one in the workspace itself, made if need be",
        ),
    ] = "around"
    every_pairs: Annotated[int, Meta(ge=0, description="a commit each so many new pairs; 0: at wraps only")] = 500
    every_sessions: Annotated[
        int, Meta(ge=0, description="a commit each so many of the senders' sessions; 0: at wraps only")
    ] = 10
    milestone_pairs: Annotated[int, Meta(ge=0, description="a tag each so many pairs; 0: none")] = 5_000
    deliveries: Annotated[bool, Meta(description="commit the files of the inbox as well")] = False
    push: Annotated[str, Meta(description="push commits and tags to this remote after a wrap; '': never")] = ""


class Notify(Section, frozen=True):
    """Who is told what a person should see; always on the terminal, and through apprise where addresses are given."""

    urls: Annotated[
        tuple[str, ...], Meta(description="apprise addresses; they carry tokens, so better name variables below")
    ] = ()
    variables: Annotated[
        tuple[str, ...], Meta(description="environment variables that hold such addresses, separated by blanks")
    ] = ("ETL_NOTIFY",)
    least: Annotated[
        str,
        Meta(
            pattern="^(info|success|warning|failure)$",
            description="send from this level on: info (wraps), success (milestones), warning, failure",
        ),
    ] = "success"


class Logs(Section, frozen=True):
    """JSON lines below session_logs/, a file a session."""

    keep: Annotated[int, Meta(ge=1, description="sessions whose logs are kept")] = 200
    max_mb: Annotated[
        float, Meta(gt=0, description="a session's log is rotated at this size, in MiB; three are kept")
    ] = 5.0
    secrets: Annotated[
        tuple[str, ...],
        Meta(description="variables whose values never appear in logs, handoffs, notices and commits"),
    ] = ("*_API_KEY", "*_TOKEN", "*_SECRET", "*_PASSWORD")


class StoreLimits(Section, frozen=True):
    """What the database may use."""

    memory_limit: Annotated[str, Meta(pattern=r"^\d+(\.\d+)? ?[KMGT]i?B$", description="of DuckDB")] = "4GB"
    threads: Annotated[int, Meta(ge=1, description="of DuckDB")] = 2
    wait_s: Annotated[float, Meta(ge=0, description="seconds to wait for another writer")] = 30.0


class Settings(Section, frozen=True):
    """All of etl.toml."""

    project: Project = Project()
    read: Read = Read()
    indicators: Indicators = Indicators()
    categories: Categories = Categories()
    embed: Embed = Embed()
    link: Link = Link()
    resolve: Resolve = Resolve()
    split: Split = Split()
    export: Export = Export()
    store: StoreLimits = StoreLimits()
    git: Git = Git()
    notify: Notify = Notify()
    logs: Logs = Logs()
    quota: dict[str, Quota] = msgspec.field(default_factory=default_quotas)


def load(path: Path) -> Settings:
    """Settings of a workspace; a missing file means all defaults.

    Raises `SettingsError` with the place of a mistake.
    """
    if not path.exists():
        return Settings()
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from error
    try:
        settings = msgspec.convert(_with_default_quotas(content), Settings)
    except msgspec.ValidationError as error:
        raise SettingsError(
            f"{path}: {error}. 'etl init' in a new folder shows every setting with its default"
        ) from error
    shares = settings.split.train + settings.split.validation + settings.split.test
    if abs(shares - 1) > 1e-9:
        raise SettingsError(f"{path}: [split] train + validation + test must be 1, not {shares:g}")
    return settings


def named(path: Path, section: str) -> frozenset[str]:
    """The settings of a section that the file itself gives: they win over anything that is found out."""
    if not path.exists():
        return frozenset()
    table = tomllib.loads(path.read_text(encoding="utf-8")).get(section, {})
    return frozenset(table) if isinstance(table, dict) else frozenset()


def commented() -> str:
    """The text of an etl.toml with every setting at its default, each explained."""
    lines = [
        "# Settings of this workspace. Every line shows the default; remove the '#' before a name to change it.",
        "",
    ]
    for section in msgspec.structs.fields(Settings):
        if section.name != "quota":
            lines += [f"# {section.type.__doc__}", f"[{section.name}]", *_explained(section.type()), ""]
    lines.append(f"# {Quota.__doc__}")
    for number, (name, quota) in enumerate(default_quotas().items()):
        plain = {} if number == 0 else msgspec.structs.asdict(Quota(limit=quota.limit))  # the first shows all there is
        lines += [f"[quota.{name}]", *_explained(quota, hide=plain), ""]
    return "\n".join(lines)


def _explained(section: Section, hide: Mapping[str, Any] | None = None) -> list[str]:
    """A line a setting with its value and meaning; those equal to `hide` are left out, but never a required one."""
    hints = get_type_hints(type(section), include_extras=True)
    lines = []
    for setting in msgspec.structs.fields(section):
        value = getattr(section, setting.name)
        if hide and setting.default is not msgspec.NODEFAULT and hide[setting.name] == value:
            continue
        described = [m.description for m in get_args(hints[setting.name])[1:] if isinstance(m, Meta) and m.description]
        lines.append(f"# {setting.name} = {_toml(value)}" + (f"  # {described[0]}" if described else ""))
    return lines


def _with_default_quotas(content: dict[str, Any]) -> dict[str, Any]:
    given = content.get("quota", {})
    if not isinstance(given, dict):
        return content
    quotas: dict[str, Any] = {name: msgspec.structs.asdict(quota) for name, quota in default_quotas().items()}
    for name, table in given.items():
        quotas[name] = quotas.get(name, {}) | table if isinstance(table, dict) else table
    return content | {"quota": quotas}


def _toml(value: Any) -> str:
    return "{}" if value == {} else json.dumps(value, ensure_ascii=False)
