"""Shell completions, made from what commands accept. Services are asked for when they are needed."""

from __future__ import annotations

from composer.cli.catalogue import COMMANDS
from composer.cli.options import GLOBAL, Command, Option
from composer.hints import Mapping

_PROJECTS = "pycompose ls --all --quiet 2>/dev/null"
_SERVICES = "pycompose config --services 2>/dev/null || pycompose ps --all --services 2>/dev/null"


def bash(commands: Mapping[str, Command]) -> str:
    """A completion function for bash, without the bash-completion package."""
    cases = "\n".join(
        f"        {name}) options='{_words(command.every_option)}' operands={command.completes or 'none'} ;;"
        for name, command in commands.items()
    )
    return f"""# bash completion of pycompose; source it, or put it into /etc/bash_completion.d
_pycompose() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}} command= word skip=
    local global='{_words(GLOBAL)}' options= operands=none
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        if [[ $skip ]]; then skip=; continue; fi
        case $word in
            {"|".join(_valued(GLOBAL))}) skip=1 ;;
            -*) ;;
            *) command=$word; break ;;
        esac
    done
    case $command in
        '') COMPREPLY=($(compgen -W "$global {" ".join(COMMANDS)}" -- "$current")); return ;;
{cases}
    esac
    case $previous in
        -f|--file|--env-file|--project-directory|--rootfs) COMPREPLY=($(compgen -f -- "$current")); return ;;
        -p|--project-name) COMPREPLY=($(compgen -W "$({_PROJECTS})" -- "$current")); return ;;
    esac
    if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W "$options $global" -- "$current"))
    elif [[ $operands == services ]]; then
        COMPREPLY=($(compgen -W "$({_SERVICES})" -- "$current"))
    elif [[ $operands == commands ]]; then
        COMPREPLY=($(compgen -W '{" ".join(COMMANDS)}' -- "$current"))
    elif [[ $operands != none ]]; then
        COMPREPLY=($(compgen -W "${{operands//,/ }}" -- "$current"))
    fi
}}
complete -F _pycompose pycompose"""


def zsh(commands: Mapping[str, Command]) -> str:
    """A completion function for zsh."""
    names = "\n".join(f"        {_quoted(f'{name}:{summary}')}" for name, summary in COMMANDS.items())
    cases = "\n".join(
        f"        {name}) _arguments -s : {' '.join(_zsh_options((*command.every_option, *_missing(command))))} "
        f"'*:{_zsh_operands(command)}' ;;"
        for name, command in commands.items()
    )
    return f"""#compdef pycompose
# zsh completion of pycompose; put it into a directory of $fpath as _pycompose
_pycompose_services() {{
    local -a services
    services=(${{(f)"$({_SERVICES})"}})
    compadd -a services
}}
_pycompose_projects() {{
    local -a projects
    projects=(${{(f)"$({_PROJECTS})"}})
    compadd -a projects
}}
_pycompose_commands() {{
    local -a commands
    commands=(
{names}
    )
    _describe command commands
}}
_pycompose() {{
    local curcontext=$curcontext state line
    _arguments -C -s : {" ".join(_zsh_options(GLOBAL))} '1: :_pycompose_commands' '*::arg:->rest'
    [[ $state == rest ]] || return
    case $words[1] in
{cases}
    esac
}}
compdef _pycompose pycompose"""


def fish(commands: Mapping[str, Command]) -> str:
    """Completions for fish."""
    lines = [
        "# fish completion of pycompose; put it into ~/.config/fish/completions/pycompose.fish",
        "complete -c pycompose -f",
        *(_fish_option(option, "") for option in GLOBAL if not option.hidden),
    ]
    for name, summary in COMMANDS.items():
        lines.append(f"complete -c pycompose -n __fish_use_subcommand -a {name} -d {_quoted(summary)}")
        seen = f"-n '__fish_seen_subcommand_from {name}' "
        lines += [_fish_option(option, seen) for option in commands[name].every_option if not option.hidden]
        if source := _fish_operands(commands[name]):
            lines.append(f"complete -c pycompose {seen}-a {source}")
    return "\n".join(lines)


def _words(options: tuple[Option, ...]) -> str:
    return " ".join(name for option in options if not option.hidden for name in (option.name, option.short) if name)


def _valued(options: tuple[Option, ...]) -> list[str]:
    return [name for option in options if option.metavar for name in (option.name, option.short) if name]


def _missing(command: Command) -> tuple[Option, ...]:
    """The options of all commands that this one does not have a meaning of its own for."""
    taken = {name for option in command.options for name in (option.name, option.short) if name}
    return tuple(
        Option(o.name, "" if o.short in taken else o.short, o.metavar, o.help, o.repeat, o.number, o.choices, o.hidden)
        for o in GLOBAL
        if o.name not in taken
    )


def _zsh_options(options: tuple[Option, ...]) -> list[str]:
    specs = []
    for option in options:
        for name in (option.name, option.short):
            if name and not option.hidden:
                repeat = "*" if option.repeat else ""
                help = option.help.translate({ord("["): "(", ord("]"): ")", ord(":"): None})
                specs.append(_quoted(f"{repeat}{name}{_zsh_equals(option, name)}[{help}]{_zsh_value(option)}"))
    return specs


def _zsh_equals(option: Option, name: str) -> str:
    if not option.metavar:
        return ""
    return "=" if name.startswith("--") else "+"


def _zsh_value(option: Option) -> str:
    if not option.metavar:
        return ""
    if option.choices:
        return f":{option.metavar}:({' '.join(option.choices)})"
    actions = {"FILE": "_files", "DIR": "_files -/", "NAME": " "}
    action = "_pycompose_projects" if option.name == "--project-name" else actions.get(option.metavar, " ")
    return f":{option.metavar}:{action}"


def _zsh_operands(command: Command) -> str:
    if command.completes in ("services", "commands"):
        return f"{command.completes}:_pycompose_{command.completes}"
    return f"word:({command.completes.replace(',', ' ')})" if command.completes else "word: "


def _fish_option(option: Option, condition: str) -> str:
    short = f" -s {option.short[1:]}" if option.short else ""
    value = f" -x -a {_quoted(' '.join(option.choices))}" if option.choices else (" -r" if option.metavar else "")
    return f"complete -c pycompose {condition}-l {option.key}{short}{value} -d {_quoted(option.help)}"


def _fish_operands(command: Command) -> str:
    match command.completes:
        case "":
            return ""
        case "services":
            return f"'(sh -c \"{_SERVICES}\")'"
        case "commands":
            return _quoted(" ".join(COMMANDS))
    return _quoted(command.completes.replace(",", " "))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "") + "'"
