"""Cgroups of a project: where they are, what is written into them, who is in them, and how they end.

    hierarchy    which controllers this host has mounted where (v1, v2, both), read from /proc
    location     where the cgroups of one project live; what the launcher must do first, so that they may
    systemd      whether it manages the host
    scope        a unit of the project's own then; dbus is how one asks for it
    settings     limits as writes to files of cgroup v1 or v2; checks says which limits cannot be
    devices      the allow-list of device nodes: v1 lines, v2 program
    control      create a container's cgroup with its limits in force, enter it, remove it, find what is left over
    kill         end everything in it
    freeze       stop and resume everything in it
    oom          kills by the out-of-memory killer, counted and watched for
    stats        what it uses
    limits       what the kernel has as its limits
    container    the cgroup of one container, as a value
    files        reading and writing files of cgroup directories

On cgroup v1 a container has one directory in each controller's hierarchy, on v2 just one; a hybrid host has both
kinds, and a container is then in the v2 tree as well, for cgroup.kill and the notices of cgroup.events.

Never touched are cgroups that are not ours, with two exceptions that cgroup v2 asks for: controllers are enabled
in the directory that ours are made in, and the processes that share our own delegated cgroup move to a leaf.
"""
