"""pycompose: run a Compose file straight on the Linux kernel."""

__version__ = "0.1.0"
