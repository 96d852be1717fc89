"""The process whose children the containers are: single-threaded, small, and meant to outlive everything but them.

    protocol   what supervisor and launcher say to each other, one JSON message per packet
    packets    packets with descriptors on a SOCK_SEQPACKET socket, never blocking the launcher
    loop       poll(2), callbacks, one timer
    children   containers and joined processes: started, watched, reaped, told about
    holder     another process, which has copies of the descriptors that must outlive this one
    warden     keeps a supervisor running
    backoff    how long to wait before what has died is started again
    diary      lines for a person
    process    the main program; `__main__` is its file, `config` what it is told
    spawn      starts it, detached
    client     the other end of the socket, for the supervisor and for tests

A fork copies the page tables of all this process's memory: what it does not import, no container pays for.
"""
