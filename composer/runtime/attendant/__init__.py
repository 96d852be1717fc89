"""The process that answers for a project's containers on the network: what they are called.

    protocol       what it is told, one JSON message per packet
    process        the main program; `__main__` is its file
    spawn          finds it, or starts it
    client         the other end of its socket
    front          what the launcher tells it, again and again if need be
    sockets        where names are asked: opened inside the containers
    answering      questions taken there, answers given; `streams` are those over TCP
    zone           which names mean which containers
    wire           DNS messages as they are on the wire
    forwarding     the rest of the world's names; `cache` keeps them for a while
    board          what other projects may know

One process for all containers of a project, on the host: to one more container it costs two sockets and a description.
It outlives supervisor and launcher, as the containers do. Whoever finds it dead starts it again and tells it all anew.
"""
