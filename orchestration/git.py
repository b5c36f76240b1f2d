"""A workspace and paths of its own in; one commit of exactly these paths out, or in words why there is none.

Runs no hooks, never forces, leaves alone what its user has staged or is in the middle of.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestration.secrets import BY_PATTERN, Redactor

OWN = (
    "exports/latest.json", "exports/*/manifest.json", "reports/*.json", "reports/*.html", "reports/*.md",
    "task_reports/*.md", "task_reports/*.json", "session_handoffs/*.md", "session_handoffs/*.json", "queue.json",
)  # fmt: skip
DELIVERIES = "inbox/**/*"
# what `git status` of a repository of our own need not show
EXCLUDED = """\
motherlode.duckdb*
.motherlode.duckdb*
control.db*
cache/
snapshots/
inbox/
outbox/
exports/*/*
!exports/*/manifest.json
session_logs/
.sessions/
"""
TAGGED = "there is one of that name"
PUSHES = 3
WAIT_S = 10.0
TIMEOUT_S = 120.0
UNDERWAY = {
    "MERGE_HEAD": "a merge", "rebase-merge": "a rebase", "rebase-apply": "a rebase", "REVERT_HEAD": "a revert",
    "CHERRY_PICK_HEAD": "a cherry-pick", "BISECT_LOG": "a bisection",
}  # fmt: skip
# such variables would make git work on another repository or index than the one we looked at
_ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE")
_CHUNK = 200  # paths a command line, far below the 32 kB of Windows


@dataclass(frozen=True, slots=True)
class Commit:
    """What came of it. `commit` is None where nothing was committed, `why` says why; `left_out` files hold secrets."""

    commit: str | None
    why: str
    paths: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


class _Refused(Exception):  # noqa: N818 - no error: the reason for which there is no commit
    """Git said no, in its own words."""


def own_paths(root: Path, *, deliveries: bool = False) -> list[Path]:
    """The files of a workspace that are committed: manifests, reports, handoffs, the queue; pairs only as delivered."""
    patterns = (*OWN, DELIVERIES) if deliveries else OWN
    found = {path for pattern in patterns for path in root.glob(pattern)}
    return sorted(path for path in found if path.is_file() and not path.is_symlink() and path.name[0] != ".")


def commit(
    root: Path,
    paths: Iterable[Path],
    message: str,
    *,
    mark: str | None = None,
    redactor: Redactor = BY_PATTERN,
    wait_s: float = WAIT_S,
    sleep: Callable[[float], None] = time.sleep,
) -> Commit:
    """Commit what is new in `paths`. With `mark` (a line of the message) a commit that bears it is not made twice."""
    try:
        git = _Git.of(root)
        if mark is not None and (made := git.marked(mark)):
            return Commit(made, "made before")
        git.wait_for_index(wait_s, sleep)
        names, left_out = _clean(git, paths, redactor)
        changed = git.changed(names)
        if not changed:
            why = "nothing of our own has changed" if names or left_out else "the repository ignores all of our files"
            return Commit(None, why, left_out=left_out)
        return Commit(git.commit(changed, redactor.clean(message)), "committed", tuple(changed), left_out)
    except _Refused as no:
        return Commit(None, str(no))


def make_own(root: Path) -> str | None:
    """Make a repository in the workspace itself where there is none; in words why that did not work."""
    if (root / ".git").exists():
        return None
    try:
        git = _Git.found(root)
        git.said("init", "--quiet")
        git.said("config", "--local", "core.autocrlf", "false")
    except _Refused as no:
        return str(no)
    (root / ".git" / "info").mkdir(exist_ok=True)
    (root / ".git" / "info" / "exclude").write_text(EXCLUDED, encoding="utf-8")
    return None


def why_not(root: Path) -> str | None:
    """In words why nothing can be committed here now; None where something can."""
    try:
        _Git.of(root)
    except _Refused as no:
        return str(no)
    return None


def tag(root: Path, name: str, message: str) -> str | None:
    """An annotated tag on the newest commit; None where it was made, else in words why not. None is ever moved."""
    try:
        git = _Git.of(root)
        if not git.born():
            return "there is no commit yet"
        if git.said("tag", "--list", name):
            return TAGGED
        git.said(*git.identity(), "tag", "--annotate", "--no-sign", f"--message={message}", name)
    except _Refused as no:
        return str(no)
    return None


def push(
    root: Path,
    remote: str,
    *,
    tags: Sequence[str] = (),
    tries: int = PUSHES,
    sleep: Callable[[float], None] = time.sleep,
) -> str | None:
    """Push the branch and these tags, never by force; tried again after 2, 4 ... seconds. In words what failed."""
    try:
        git = _Git.of(root)
        branch = git.said("symbolic-ref", "--quiet", "--short", "HEAD", fine=(0, 1))
        if not branch:
            return "no branch is checked out, so there is none to push"
        refs = [f"refs/heads/{branch}", *(f"refs/tags/{name}" for name in tags)]
    except _Refused as no:
        return str(no)
    for attempt in range(tries):
        try:
            git.said("push", "--quiet", "--no-verify", "--", remote, *refs)
        except _Refused as no:
            # a remote that has moved on is for a person to pull; trying again gives the same answer
            if attempt + 1 == tries or "rejected" in str(no) or "does not appear to be a git" in str(no):
                return str(no)
            sleep(2.0 ** (attempt + 1))
        else:
            return None
    return None


def _clean(git: _Git, paths: Iterable[Path], redactor: Redactor) -> tuple[list[str], tuple[str, ...]]:
    clean, left_out = [], []
    for name in git.not_ignored([path.relative_to(git.root).as_posix() for path in paths]):
        kinds = redactor.kinds((git.root / name).read_text(encoding="utf-8", errors="replace"))
        if kinds:
            left_out.append(f"{name} ({', '.join(kinds)})")
        else:
            clean.append(name)
    return clean, tuple(left_out)


@dataclass(frozen=True, slots=True)
class _Git:
    """Git in one folder; paths are relative to it."""

    root: Path
    program: str
    folder: Path  # the .git folder of this working tree
    prefix: str  # of `root` from the top of the repository, as git writes it: "" or "sub/"

    @classmethod
    def found(cls, root: Path) -> _Git:
        program = shutil.which("git")
        if program is None:
            raise _Refused("git is not installed; install it and wrap again, or commit by hand")
        return cls(root, program, root, "")

    @classmethod
    def of(cls, root: Path) -> _Git:
        looking = cls.found(root)
        try:
            # at once: each call of git takes some milliseconds
            said = looking.said("rev-parse", "--is-inside-work-tree", "--absolute-git-dir", "--show-prefix")
        except _Refused as no:
            if "dubious ownership" in str(no):
                raise _Refused(
                    f"the repository around {root} belongs to another user; if you trust it: "
                    f"git config --global --add safe.directory '{root}'"
                ) from None
            if "not a git repository" in str(no):
                raise _Refused(f"{root} is in no git repository; 'git init' there makes one") from None
            raise
        inside, git_dir, *prefix = said.split("\n")
        if inside != "true":
            raise _Refused(f"{root} lies inside a .git folder or a bare repository; there is no working tree")
        folder = Path(git_dir)
        for sign, what in UNDERWAY.items():
            if (folder / sign).exists():
                raise _Refused(f"{what} is under way in this repository; finish it, the next wrap commits")
        return cls(root, looking.program, folder, "".join(prefix))

    def said(self, *arguments: str, lines: Sequence[str] | None = None, fine: tuple[int, ...] = (0,)) -> str:
        environment = {k: v for k, v in os.environ.items() if k not in _ELSEWHERE}
        environment |= {"GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": "true", "LC_ALL": "C"}
        quiet = ["-c", f"core.hooksPath={os.devnull}", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false"]
        try:
            done = subprocess.run(  # noqa: S603 - git, found on the path, with arguments of our own
                [self.program, "-C", str(self.root), *quiet, *arguments],
                env=environment, input="\0".join(lines or ()),
                capture_output=True, text=True, encoding="utf-8", errors="replace", timeout=TIMEOUT_S, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise _Refused(f"git {arguments[0]} took longer than {TIMEOUT_S:.0f} s and was stopped") from None
        if done.returncode not in fine:
            raise _Refused(f"git {arguments[0]}: {' '.join(done.stderr.split()) or f'exit {done.returncode}'}")
        return done.stdout.strip("\n")

    def marked(self, mark: str) -> str | None:
        """The newest commit here whose message has this line."""
        if not self.born():
            return None
        found = self.said("log", "-1", "--format=%H", "--extended-regexp", f"--grep=^{_escaped(mark)}$")
        return found or None

    def wait_for_index(self, wait_s: float, sleep: Callable[[float], None]) -> None:
        """Another git may be at work; its lock is waited for and never removed."""
        lock = self.folder / "index.lock"
        waited = 0.0
        while lock.exists():
            if waited >= wait_s:
                raise _Refused(f"{lock} has been there for {wait_s:.0f} s; if no git is running, remove it")
            sleep(0.25)
            waited += 0.25

    def not_ignored(self, names: Sequence[str]) -> list[str]:
        if not names:
            return []
        ignored = self.said("check-ignore", "-z", "--stdin", lines=names, fine=(0, 1)).split("\0")
        return [name for name in names if name not in set(ignored)]

    def changed(self, names: Sequence[str]) -> list[str]:
        """Those that differ from the last commit, new ones included."""
        found = []
        for part in _chunks(names):
            rows = self.said("status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", "--", *part)
            found += [row[3:] for row in rows.split("\0") if row]
        there = set(found)  # status names paths from the top of the repository
        return [name for name in names if f"{self.prefix}{name}" in there]

    def commit(self, names: Sequence[str], message: str) -> str:
        # add, for what is new; --only then commits these paths from the tree, and what else is staged stays staged
        for part in _chunks(names):
            self.said("add", "--", *part)
        listed = self.folder / "motherlode-paths"
        listed.write_text("\0".join(names), encoding="utf-8")
        try:
            self.said(
                *self.identity(), "commit", "--only", "--quiet", "--no-verify", "--no-gpg-sign", f"--message={message}",
                f"--pathspec-from-file={listed}", "--pathspec-file-nul", "--cleanup=verbatim",
            )  # fmt: skip
        finally:
            listed.unlink(missing_ok=True)
        return self.said("rev-parse", "HEAD")

    def identity(self) -> list[str]:
        """Who commits: whom the user's settings name, else the program itself."""
        return [] if self.said("config", "user.email", fine=(0, 1)) else _NOBODY

    def born(self) -> bool:
        """Whether there is a commit yet."""
        return bool(self.said("rev-parse", "--verify", "--quiet", "HEAD", fine=(0, 1, 128)))


_NOBODY = ["-c", "user.name=Motherlode", "-c", "user.email=motherlode@localhost"]


def _escaped(text: str) -> str:
    return re.sub(r"[][.*^$()+?{}|\\]", r"\\\g<0>", text)


def _chunks(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[i : i + _CHUNK] for i in range(0, len(names), _CHUNK)]
