"""The systemd unit of a project, as text: systemd.unit(5), systemd.service(5).

Its main process is `pycompose systemd run`, which brings up what is to come back at boot, says READY=1, and waits.
Containers are not its children: when it dies they run on, and the next one finds them. `After=` the project's scope,
which on cgroup v2 has them, makes systemd stop this unit first when the machine goes down, and so containers gently.
"""

from __future__ import annotations

import re

from composer.frozen import frozen

_PLAIN = re.compile(r"[\w./:=@-]+")
UNIT_DIRECTORY = "/etc/systemd/system"


@frozen
class Unit:
    """What there is to say about a project."""

    project: str
    command: tuple[str, ...]  # pycompose with the options that name the project; words are added
    directory: str  # the project's
    needed: tuple[str, ...] = ()  # directories whose file systems must be mounted
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        return name_of(self.project)

    def __str__(self) -> str:
        environment = "".join(f"Environment={quoted(f'{name}={value}')}\n" for name, value in self.environment)
        return f"""\
# Written by `pycompose systemd install`; `pycompose systemd uninstall` removes it.
[Unit]
Description=pycompose project {_escaped(self.project)}
Wants=network-online.target
After=network-online.target local-fs.target pycompose-{self.project}.scope
RequiresMountsFor={" ".join(map(quoted, (self.directory, *self.needed)))}

[Service]
Type=notify
NotifyAccess=main
WorkingDirectory={_escaped(self.directory)}
{environment}ExecStart={self._command("systemd", "run")}
ExecReload={self._command("up", "--detach")}
Delegate=yes
KillMode=mixed
Restart=on-failure
RestartSec=1
TimeoutStartSec=infinity
TimeoutStopSec=infinity

[Install]
WantedBy=multi-user.target
"""

    def _command(self, *words: str) -> str:
        return " ".join(map(_word_of_command, (*self.command, *words)))


def name_of(project: str) -> str:
    """The file name of a project's unit."""
    return f"pycompose-{project}.service"


def quoted(word: str) -> str:
    """A word in a list of words, as systemd reads it: systemd.syntax(7), "Quoting"."""
    escaped = _escaped(word).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return escaped if _PLAIN.fullmatch(escaped) else f'"{escaped}"'


def _word_of_command(word: str) -> str:
    """In command lines variables are expanded as well: systemd.service(5), "Command lines"."""
    return quoted(word.replace("$", "$$"))


def _escaped(text: str) -> str:
    return text.replace("%", "%%")
