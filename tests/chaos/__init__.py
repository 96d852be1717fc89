"""Chaos: random projects, random commands, and our own processes killed, stopped and continued at random.

services     a random project and the program its services run, which keeps a journal of its own
script       what a round does and when: drawn from a seed before anything is done
host         the processes of a project, found and hurt; orphans collected
stage        one round: the script performed, the project brought to rest, everything compared
invariants   what must hold then, each a function that lists what does not
__main__     `make chaos ROUNDS=n SEED=s`
"""
