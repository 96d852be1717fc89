"""From what users write to what the machine is asked to do: model → spec. The only room that speaks both languages.

Pure: what the host has comes in as `HostFacts`. A module is named like the part of the spec that it makes. `bare` and
what it stands on (`host`, `defaults`, `capabilities`, `placing`, `files`, `names`, `labels`) know no Compose file and
import no model of one, so that `run --rootfs` starts without pydantic.
"""
