"""System call filters: seccomp(2) without libseccomp.

    profile        a profile as Docker and the OCI runtime specification write it, as a value
    default        Docker's default profile
    compile        a profile for one machine, kernel and set of capabilities, as a filter program
    architecture   the architectures a filter tells apart, and their ranges of call numbers
    syscalls       the call numbers (generated)
    instructions   classic BPF
    load           the one thing the container's process does: hand the program to the kernel

Compiling is pure and happens before the container's process exists; loading needs nothing but `load`.
"""
