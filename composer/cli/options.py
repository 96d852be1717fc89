"""What a command accepts, as values: the parser, the help texts and the shell completions are made from them."""

from __future__ import annotations

from composer.frozen import field, frozen
from composer.hints import Mapping


@frozen
class Option:
    """One option. Without a `metavar` it is a switch."""

    name: str  # --wait-timeout
    short: str = ""  # -t
    metavar: str = ""
    help: str = ""
    repeat: bool = False
    number: bool = False
    choices: tuple[str, ...] = ()
    hidden: bool = False  # accepted, not shown

    @property
    def key(self) -> str:
        """How the parsed arguments call it: wait-timeout."""
        return self.name.removeprefix("--")


def switch(name: str, short: str = "", *, help: str, hidden: bool = False) -> Option:
    """An option that is there or not."""
    return Option(name, short, help=help, hidden=hidden)


def text(
    name: str, short: str = "", *, metavar: str, help: str, choices: tuple[str, ...] = (), hidden: bool = False
) -> Option:
    """An option with a value; the last one given counts."""
    return Option(name, short, metavar, help, choices=choices, hidden=hidden)


def number(name: str, short: str = "", *, metavar: str, help: str) -> Option:
    """An option with a whole number."""
    return Option(name, short, metavar, help, number=True)


def texts(name: str, short: str = "", *, metavar: str, help: str, choices: tuple[str, ...] = ()) -> Option:
    """An option that may be given several times."""
    return Option(name, short, metavar, help, repeat=True, choices=choices)


@frozen
class Command:
    """What one command accepts. Operands are what is left when the options are taken out."""

    operands: str  # as the usage line says it: "[SERVICE...]"
    example: str
    options: tuple[Option, ...] = ()
    at_least: int = 0  # operands
    at_most: int | None = None
    stops_at_operand: bool = False  # the first operand ends the options: the rest is another program's command line
    completes: str = ""  # what operands are: "services", "commands", or words to choose from
    words: Mapping[str, Command] = field(default_factory=dict)  # its first operand, where each has options of its own
    summary: str = ""  # of such a word

    @property
    def every_option(self) -> tuple[Option, ...]:
        """Its own and those of its words, each once: what a shell may offer before it knows more."""
        options = (*self.options, *(option for word in self.words.values() for option in word.options))
        return tuple({option.name: option for option in reversed(options)}.values())[::-1]


GLOBAL = (
    texts("--file", "-f", metavar="FILE", help="Compose file, several are merged; - is standard input"),
    text("--project-name", "-p", metavar="NAME", help="Name of the project"),
    text("--project-directory", metavar="DIR", help="What paths are relative to (default: where the first file is)"),
    texts("--env-file", metavar="FILE", help="Where variables of the files come from, beside the environment"),
    texts("--profile", metavar="NAME", help="Make the services of a profile active"),
    text(
        "--progress",
        metavar="MODE",
        choices=("auto", "tty", "plain", "json", "quiet"),
        help="How progress is shown: auto, tty, plain, json or quiet",
    ),
    text("--ansi", metavar="WHEN", choices=("never", "always", "auto"), help="Colours: never, always or auto"),
    switch("--dry-run", help="Print what would be done, and why, and do nothing"),
    switch("--help", "-h", help="Explain the command"),
    switch("--version", "-v", help="Print the version"),
    Option("--compatibility", hidden=True),
    Option("--parallel", metavar="N", number=True, hidden=True),
)

# Of several commands

TIMEOUT = number("--timeout", "-t", metavar="SECONDS", help="How long a container may take to stop; -1: any time")
PLAN_FORMAT = text("--format", metavar="FORMAT", choices=("text", "json"), help="How --dry-run prints the plan")
WAIT_TIMEOUT = number("--wait-timeout", metavar="SECONDS", help="How long --wait waits at most")
CREATION = (
    switch("--force-recreate", help="Make containers anew though nothing about them has changed"),
    switch("--no-recreate", help="Leave containers that exist as they are"),
    switch("--remove-orphans", help="Remove containers of services that the files no longer have"),
    switch("--renew-anon-volumes", "-V", help="Containers made anew get new anonymous volumes, not the old ones"),
    texts("--scale", metavar="SERVICE=NUM", help="How many containers of a service, whatever the files say"),
)

# Options of docker compose about images, which are not here yet: scripts that give them go on working
WITHOUT_EFFECT = (
    switch("--build", help="No effect", hidden=True),
    switch("--no-build", help="No effect", hidden=True),
    text("--pull", metavar="WHEN", help="No effect", hidden=True),
    switch("--quiet-pull", help="No effect", hidden=True),
    switch("--quiet-build", help="No effect", hidden=True),
    switch("--yes", "-y", help="No effect", hidden=True),
    switch("--menu", help="No effect", hidden=True),
)
