"""What containers print: two files per container in `<bundle>/log`, and older pairs beside them.

    output      the bytes as they came, both streams interleaved: a person may `cat` or `tail -F` it
    index       one fixed-size record per block that arrived (`block`): when, where in `output`, from which stream
    output.1    index.1    the pair before the last rotation, and so on: the higher, the older

Who writes and who reads need not know of each other: the writer appends to `output` first and to `index` second,
so whatever a record speaks of is there; a reader holds its files open and so outlives a rotation.

    writer      appends, rotates, repairs what a crash has left
    demux       blocks → lines, pure
    generation  one pair of files: search by time, blocks as they are
    reader      a whole log: from a time on, or the last n lines
    follow      what comes after that: inotify over rotation and recreation
"""
