"""One file per command: `COMMAND` says what it accepts, `run` does it and answers with the exit status."""
