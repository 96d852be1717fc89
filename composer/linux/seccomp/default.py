"""Docker's default seccomp profile.

Beyond this module: how it becomes a program (`compile`), and reading a profile of the user's (`profile`).

An allow-list: what is not named here gets EPERM. The facts are those of moby/profiles, seccomp/default.json, in
its edition of 2026 that blocks AF_ALG and AF_VSOCK and leaves keys out. Groups for s390, mips, ppc and riscv
only are left out, since no filter is compiled for those machines.

One difference. Docker writes the socket families above AF_VSOCK as "greater than 40". A filter sees 64 bits of
the argument and the kernel uses 32 of them, so 2**32 + AF_ALG passes that rule and makes an AF_ALG socket. Here
the families are named one by one.
"""

from __future__ import annotations

from composer.linux.capability import mask_of
from composer.linux.seccomp.profile import ALWAYS, Action, Argument, Conditions, Profile, Rule

_ALLOW = Action("SCMP_ACT_ALLOW")
_ENOSYS = Action("SCMP_ACT_ERRNO", errno=38)

_ALWAYS_ALLOWED = """
accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32 clock_adjtime
clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep
clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1
epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit
exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2
fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat
fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait
futex_waitv futex_wake futimesat getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid
getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom
getresgid getresgid32 getresuid getresuid32 getrlimit get_robust_list getrusage getsid getsockname getsockopt
get_thread_area gettid gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init
inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy io_getevents io_pgetevents io_pgetevents_time64
ioprio_get ioprio_set io_setup io_submit ipc kill landlock_add_rule landlock_create_ruleset
landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount listxattr listxattrat llistxattr
_llseek lremovexattr lseek lsetxattr lstat lstat64 madvise map_shadow_stack membarrier memfd_create memfd_secret
mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect mq_getsetattr mq_notify mq_open
mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget
msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat _newselect open openat
openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64
prctl pread64 preadv preadv2 prlimit64 process_mrelease pselect6 pselect6_time64 pwrite64 pwritev pwritev2 read
readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr
removexattrat rename renameat renameat2 restart_syscall riscv_hwprobe rmdir rseq rt_sigaction rt_sigpending
rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64
rt_tgsigqueueinfo sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min
sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr
sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop semtimedop_time64
send sendfile sendfile64 sendmmsg sendmsg sendto setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32
setgroups setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid
setresuid32 setreuid setreuid32 setrlimit set_robust_list setsid setsockopt set_thread_area set_tid_address
setuid setuid32 setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 sigprocmask
sigreturn socketcall socketpair splice stat stat64 statfs statfs64 statmount statx symlink symlinkat sync
sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime
timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime
timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat uretprobe utime utimensat
utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write writev
"""

_ALLOWED_WITH_CAPABILITY = {
    "CAP_DAC_READ_SEARCH": "open_by_handle_at",
    "CAP_SYS_ADMIN": """
        bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr
        lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl
        quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare""",
    "CAP_SYS_BOOT": "reboot",
    "CAP_SYS_CHROOT": "chroot",
    "CAP_SYS_MODULE": "delete_module init_module finit_module",
    "CAP_SYS_PACCT": "acct",
    "CAP_SYS_PTRACE": "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace",
    "CAP_SYS_RAWIO": "iopl ioperm",
    "CAP_SYS_TIME": "settimeofday stime clock_settime clock_settime64",
    "CAP_SYS_TTY_CONFIG": "vhangup",
    "CAP_SYS_NICE": "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
    "CAP_SYSLOG": "syslog",
    "CAP_BPF": "bpf",
    "CAP_PERFMON": "perf_event_open",
}

_ALLOWED_ON_ARCHITECTURE = (
    ("arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls", ("arm", "arm64")),
    ("arch_prctl", ("amd64", "x32")),
    ("modify_ldt", ("amd64", "x32", "x86")),
)

AF_ALG = 38  # <linux/socket.h>: the kernel's cryptography, an attack surface with next to no users
AF_NFC = 39
AF_VSOCK = 40  # reaches the hypervisor, and knows no network namespaces
AF_FAMILIES_ABOVE = (41, 42, 43, 44, 45)  # AF_KCM, AF_QIPCRTR, AF_SMC, AF_XDP, AF_MCTP

PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)  # PER_LINUX, PER_LINUX32, each with UNAME26; a query

CLONE_NEW_FLAGS = 0x7E020000  # all namespaces but time, which clone(2) cannot make

_SYS_ADMIN = Conditions(caps=mask_of(["CAP_SYS_ADMIN"]))
_LINUX_4_8 = Conditions(min_kernel=(4, 8))  # before it, ptrace went past the filter


def _allow(names: str, *args: Argument, includes: Conditions = ALWAYS, excludes: Conditions = ALWAYS) -> Rule:
    return Rule(tuple(names.split()), _ALLOW, args, includes, excludes)


DEFAULT_PROFILE = Profile(
    default_action=Action("SCMP_ACT_ERRNO"),
    arch_map={
        "SCMP_ARCH_X86_64": ("SCMP_ARCH_X86", "SCMP_ARCH_X32"),
        "SCMP_ARCH_AARCH64": ("SCMP_ARCH_ARM",),
    },
    rules=(
        _allow(_ALWAYS_ALLOWED),
        _allow("process_vm_readv process_vm_writev ptrace", includes=_LINUX_4_8),
        _allow("socket", Argument(0, AF_ALG, "SCMP_CMP_LT")),
        *(_allow("socket", Argument(0, family, "SCMP_CMP_EQ")) for family in (AF_NFC, *AF_FAMILIES_ABOVE)),
        *(_allow("personality", Argument(0, persona, "SCMP_CMP_EQ")) for persona in PERSONALITIES),
        *(_allow(names, includes=Conditions(arches=arches)) for names, arches in _ALLOWED_ON_ARCHITECTURE),
        *(
            _allow(names, includes=Conditions(caps=mask_of([capability])))
            for capability, names in _ALLOWED_WITH_CAPABILITY.items()
        ),
        _allow("clone", Argument(0, CLONE_NEW_FLAGS, "SCMP_CMP_MASKED_EQ", 0), excludes=_SYS_ADMIN),
        # The flags of clone3 lie behind a pointer, where no filter sees them. C libraries fall back to clone.
        Rule(("clone3",), _ENOSYS, excludes=_SYS_ADMIN),
    ),
)
