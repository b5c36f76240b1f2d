"""The service's definitions: what systemd and the XML parser make of them, with paths that need care."""

import json
import os
import shlex
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from orchestration.cli import run
from orchestration.service import SYSTEMD, USER, WINDOWS, Service, encoded

NAMESPACE = {"t": "http://schemas.microsoft.com/windows/2004/02/mit/task"}


def unit(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))


@pytest.mark.parametrize("kind", [SYSTEMD, USER])
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_no_fault_with_the_unit(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "my mine 100%"
    folder.mkdir()
    python = folder / "python 3"
    python.write_text("#!/bin/sh\n", encoding="utf-8")
    python.chmod(0o755)
    service = Service(folder, python, "root", agent="zai")
    file = tmp_path / service.file_name(kind)
    file.write_text(service.text(kind), encoding="utf-8")
    manager = ["--user"] if kind == USER else ["--system"]
    environment = os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)}
    done = subprocess.run(
        ["systemd-analyze", *manager, "verify", str(file)], capture_output=True, text=True, encoding="utf-8",
        check=False, env=environment,
    )  # fmt: skip
    assert (done.returncode, [line for line in done.stderr.splitlines() if file.name in line]) == (0, [])


def test_the_unit_starts_at_boot_comes_again_after_a_failure_and_lets_the_session_wrap() -> None:
    text = Service(PurePosixPath('/srv/a "b" $HOME 5%'), PurePosixPath("/opt/py/bin/python"), "ann").text(SYSTEMD)
    found = unit(text)
    assert found["WorkingDirectory"] == '/srv/a "b" $HOME 5%%'
    plain = found["ExecStart"].replace("$$", "$").replace("%%", "%")
    assert shlex.split(plain) == [
        "/opt/py/bin/python", "-m", "orchestration", "--workspace", '/srv/a "b" $HOME 5%', "mine", "--forever",
    ]  # fmt: skip
    assert (found["User"], found["Restart"], found["KillSignal"]) == ("ann", "on-failure", "SIGINT")
    assert (found["WantedBy"], found["SuccessExitStatus"]) == ("multi-user.target", "130")
    assert unit(Service(PurePosixPath("/srv/m"), PurePosixPath("/p"), "ann").text(USER))["WantedBy"] == "default.target"


def test_the_windows_task_is_well_formed_and_keeps_its_paths_whole() -> None:
    root = PureWindowsPath(r"C:\Data & Co\my mine")
    service = Service(root, PureWindowsPath(r"C:\Program Files\Python\python.exe"), r"PC\Ann")
    task = ET.fromstring(encoded(WINDOWS, service.text(WINDOWS)))

    def said(path: str) -> str | None:
        return task.findtext(path, namespaces=NAMESPACE)

    assert task.tag == f"{{{NAMESPACE['t']}}}Task"
    assert [child.tag.partition("}")[2] for child in task] == [
        "RegistrationInfo", "Triggers", "Principals", "Settings", "Actions",
    ]  # fmt: skip
    assert said("t:Triggers/t:BootTrigger/t:Enabled") == "true"
    assert said("t:Settings/t:RestartOnFailure/t:Interval") == "PT5M"
    assert said("t:Settings/t:ExecutionTimeLimit") == "PT0S"
    assert said("t:Principals/t:Principal/t:UserId") == r"PC\Ann"
    assert said("t:Actions/t:Exec/t:Command") == r"C:\Program Files\Python\python.exe"
    assert said("t:Actions/t:Exec/t:WorkingDirectory") == str(root)
    assert f'--workspace "{root}" mine --forever' in str(said("t:Actions/t:Exec/t:Arguments"))


def test_service_print_writes_a_file_and_says_how_it_is_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "mine"
    where = ["--json", "-w", str(root)]
    assert run(["service", "print", "--kind", "windows", "--to", str(tmp_path / "out"), *where]) == 0
    data = json.loads(capsys.readouterr().out)
    assert Path(data["file"]).read_bytes().startswith((b"\xff\xfe", b"\xfe\xff"))
    assert any("schtasks" in step for step in data["install"])
    assert any("not been run on Windows" in step for step in data["install"])
    assert run(["service", "print", "--kind", "launchd", *where]) == 1
    assert "systemd-user" in capsys.readouterr().err
