"""The machine: makes one spec true on this kernel. Blocking and small; standard library and `linux` only.

Beyond this room: when and why. Who starts what in which order is decided above; what a Compose key means, before.

    launch        what is asked for: a spec with its places and the processes it joins
    container     start and remove one container: the parent's side
    child         the road of the new process from clone to exec
    road          how a child walks its steps and reports the one that failed
    outcome       how a start went: the report, or what killed the child
    failures      what a failed step means to a person
    namespaces    which are new, which are joined
    rootfs        what is put where, in which order; the pivot
    overlay       the writable layer over the read-only one
    mounts        binds, tmpfs and the kernel's file systems
    masks         masked and read-only paths
    devices       nodes of /dev
    files         generated files such as /etc/hosts
    stdio         FIFOs, terminal, or the caller's own
    sysctl        kernel parameters of the container's own namespaces
    rlimits       resource limits as far as this host can give them
    seccomp       the system call filter of a spec, compiled once
    identity      user and groups, by the container's own files
    program       the last steps before a program runs: user, privileges, exec
    executable    why a file cannot be executed
    init          the minimal PID 1 of `init: true`
    join          one more process in a running container: probe, hook, exec
    exits         how containers ended, durably
    tree          removes a directory, whatever a container has made of it
    cgroup        limits, accounting, killing
    launcher      the process whose children the containers are
"""
