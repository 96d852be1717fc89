"""Networks on the host, and containers' places in them.

    labels       what a network's and an endpoint's links are called, and what is written on them
    host         the host's network: a lock, a snapshot
    definitions  what a network was made from, in files: what a link has no room for
    networks     a network made, removed
    endpoints    a container attached: the host's side, done by whoever starts it
    leases       the addresses of endpoints that no link of the host tells: macvlan, ipvlan
    inside       a container attached: its own side, done by the container's first process
    firewall     isolation and masquerade, as nftables rules
    forwarding   the host's switch for passing packets on

The kernel itself is the record of what there is: a network is a link that carries a label, an address is taken while
the link of whoever has it is there. So a crash leaves nothing that could be wrong.
"""
