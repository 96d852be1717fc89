"""The kernel interfaces that the standard library lacks: one module per facility, the kernel's own names kept.

Beyond this room: any policy. A function makes its system call and raises OSError with the call, as strace
would show it, in a note; runtime decides what that means for a container. Standard library and ctypes only,
and no module here imports more than it needs: a container is a fork of the process that imports them.

    libc          the C library, its calls typed and checked; system call numbers
    mount         mount(2), pivot_root(2) and the descriptor-based mount calls
    openat2       paths resolved inside a root; missing mount points made there
    fallocate     room given back at the beginning of a file
    syncfs        what was written is on its disk
    statfs        which file system a path or descriptor lives on
    clone         clone3(2)
    userns        user namespaces as maps of ids
    namespaces    unshare(2), setns(2), host and domain names
    prctl         the process attributes of prctl(2)
    process       descriptors, signals, personality, start time
    pidfd         processes as descriptors
    keyring       session keyrings
    capability    capability sets as bit masks
    seccomp       profiles compiled to filters, filters loaded
    bpf           the device filter of cgroup v2
    pty           pseudo-terminals of a given devpts
    inotify       file events
    netdevice     interface flags
"""
