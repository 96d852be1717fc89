"""What the user types and sees. The one room that reads argv, environment and working directory, and that prints.

main         argv → command → exit status; a command's module is imported when it is called for, no other
options      what a command accepts, as values
parse        argv against those values
catalogue    the commands by name, so that help and suggestions need not import them
invocation   all that a command is handed
commands/    one file per command: `COMMAND`, what it accepts, and `run`, what it does
render/      tables, progress, logs, plans, mistakes in files: values in, text out
"""
