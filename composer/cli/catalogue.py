"""The commands by name, in the groups of the help text: known without importing any of them."""

from __future__ import annotations

GROUPS: dict[str, dict[str, str]] = {
    "Run a project": {
        "up": "Create and start containers",
        "down": "Stop and remove containers",
        "run": "Run a one-off command, of a service or in a root file system of its own",
        "exec": "Execute a command in a running container",
        "attach": "Connect this terminal to a running container",
    },
    "Look at it": {
        "ps": "List containers",
        "logs": "View what containers print",
        "port": "Print where a container's port is published on the host",
        "top": "Display the processes of containers",
        "stats": "Display resource usage as it changes",
        "inspect": "Display everything known about containers, as JSON",
        "events": "Display what happens to containers",
        "analyze": "Show where the time of the last start went, and what would make it faster",
        "ls": "List projects",
        "volumes": "List the volumes of the project",
    },
    "Change it": {
        "create": "Create containers without starting them",
        "start": "Start containers that exist",
        "stop": "Stop containers and keep them",
        "restart": "Stop containers and start them again",
        "kill": "Send a signal to containers",
        "pause": "Freeze all processes of containers",
        "unpause": "Let frozen containers go on",
        "wait": "Wait until containers have stopped",
        "scale": "Change how many containers a service has",
        "rm": "Remove stopped containers",
    },
    "Move files": {
        "cp": "Copy files between a container and this host",
        "export": "Write a container's file system as a tar archive",
        "commit": "Keep a container's file system, to be the rootfs of a service",
    },
    "Volumes and networks": {
        "volume": "List, inspect, create and remove volumes of this host",
        "network": "List, inspect, create and remove networks of this host",
    },
    "Prepare": {
        "systemd": "Bring the project up at boot: install, uninstall",
        "config": "Check the files and print what they say, in full",
        "schema": "Print the JSON schema of Compose files, for editors",
        "check": "Tell what this host's kernel offers and what is missing",
        "completion": "Print the shell completion for bash, zsh or fish",
        "version": "Print the version",
        "help": "Explain a command",
    },
}

OTHER_NAMES = {"convert": "config"}  # what docker compose calls a command as well

COMMANDS: dict[str, str] = {name: summary for group in GROUPS.values() for name, summary in group.items()}
