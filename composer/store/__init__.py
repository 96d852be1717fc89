"""What outlives a process: places on disk, container records, events, logs.

Everything is written beside and renamed, or appended; nothing is edited in place. A reader needs no process of ours.
"""
