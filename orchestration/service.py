"""A workspace and an interpreter in; the text of a service that mines it for ever and survives a reboot out.

For Linux a systemd unit, for Windows a task of the Task Scheduler (schema 1.2). Both start at boot, begin again after a
failure, and stop by a signal that lets the session wrap. The Windows task has not been run, only checked as XML.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from xml.sax.saxutils import escape

SYSTEMD, USER, WINDOWS = "systemd", "systemd-user", "windows"
KINDS = (SYSTEMD, USER, WINDOWS)
STOP_S = 300  # what a wrap may take: a snapshot of a large store, a push


@dataclass(frozen=True, slots=True)
class Service:
    """What is to run. `python` is the interpreter of the environment that Motherlode is installed in."""

    workspace: PurePath
    python: PurePath
    user: str
    agent: str | None = None

    @property
    def arguments(self) -> list[str]:
        """Of the interpreter."""
        agent = [] if self.agent is None else ["--agent", self.agent]
        return ["-m", "orchestration", "--workspace", str(self.workspace), "mine", "--forever", *agent]

    @property
    def name(self) -> str:
        """The service's name, from the workspace's folder."""
        plain = "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in self.workspace.name).strip("-")
        return f"motherlode-{plain or 'workspace'}"

    def text(self, kind: str) -> str:
        """The definition, one of `KINDS`."""
        return self._task() if kind == WINDOWS else self._unit(user=kind == USER)

    def file_name(self, kind: str) -> str:
        """What the file is best called."""
        return f"{self.name}.xml" if kind == WINDOWS else f"{self.name}.service"

    def steps(self, kind: str) -> list[str]:
        """What its user does with the file."""
        file = self.file_name(kind)
        if kind == WINDOWS:
            return [
                f'schtasks /Create /TN "{self.name}" /XML {file}',
                f'schtasks /Run /TN "{self.name}"',
                "remark: save the file as UTF-16, as --to does; this task has not been run on Windows by its makers",
            ]
        if kind == USER:
            return [
                f"mkdir -p ~/.config/systemd/user && cp {file} ~/.config/systemd/user/",
                f"systemctl --user daemon-reload && systemctl --user enable --now {file}",
                f"loginctl enable-linger {self.user}    # so that it starts at boot, before anybody logs in",
            ]
        return [
            f"sudo cp {file} /etc/systemd/system/",
            f"sudo systemctl daemon-reload && sudo systemctl enable --now {file}",
        ]

    def _unit(self, *, user: bool) -> str:
        command = " ".join(_quoted(part) for part in [str(self.python), *self.arguments])
        owner = [] if user else [f"User={self.user}"]
        folder = str(self.workspace).replace("%", "%%")
        return "\n".join([
            "[Unit]",
            f"Description=Motherlode mines {folder}",
            "# a full disk or a held store may last: tried again for ever, see RestartSec",
            "StartLimitIntervalSec=0",
            "",
            "[Service]",
            "Type=exec",
            *owner,
            f"WorkingDirectory={folder}",
            "# keys and addresses of notices, a NAME=value a line; the '-' lets the file be absent",
            f"EnvironmentFile=-{folder}/service.env",
            "Environment=PYTHONUNBUFFERED=1 PYTHONUTF8=1",
            f"ExecStart={command}",
            "# SIGINT is Ctrl-C: the open unit is rolled back and the session wrapped, then it exits 130",
            "KillSignal=SIGINT",
            f"TimeoutStopSec={STOP_S}",
            "SuccessExitStatus=130",
            "Restart=on-failure",
            "RestartSec=300",
            "",
            "[Install]",
            f"WantedBy={'default.target' if user else 'multi-user.target'}",
            "",
        ])  # fmt: skip

    def _task(self) -> str:
        command, folder = escape(str(self.python)), escape(str(self.workspace))
        arguments = escape(subprocess.list2cmdline(self.arguments))
        return f"""\
<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>Motherlode mines {folder}</Description>
  </RegistrationInfo>
  <Triggers>
    <BootTrigger>
      <Enabled>true</Enabled>
      <Delay>PT1M</Delay>
    </BootTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>{escape(self.user)}</UserId>
      <LogonType>S4U</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <AllowHardTerminate>true</AllowHardTerminate>
    <StartWhenAvailable>true</StartWhenAvailable>
    <Enabled>true</Enabled>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Priority>7</Priority>
    <RestartOnFailure>
      <Interval>PT5M</Interval>
      <Count>999</Count>
    </RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{command}</Command>
      <Arguments>{arguments}</Arguments>
      <WorkingDirectory>{folder}</WorkingDirectory>
    </Exec>
  </Actions>
</Task>
"""


def path_for(kind: str, path: str) -> PurePath:
    """A path as the system of the service writes it."""
    return PureWindowsPath(path) if kind == WINDOWS else PurePosixPath(path)


def encoded(kind: str, text: str) -> bytes:
    """As it lies in a file: the Task Scheduler wants UTF-16 with its mark."""
    return text.encode("utf-16") if kind == WINDOWS else text.encode("utf-8")


def _quoted(part: str) -> str:
    """A word of ExecStart: specifiers and variables doubled, quoted where a blank or quote stands in it."""
    text = part.replace("\\", "\\\\").replace("%", "%%").replace("$", "$$")
    if not _needs_quotes(part):
        return text
    return '"' + text.replace('"', '\\"') + '"'


def _needs_quotes(part: Sequence[str]) -> bool:
    return not part or any(sign.isspace() or sign in "\"';#" for sign in part)
