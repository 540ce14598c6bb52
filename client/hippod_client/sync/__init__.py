"""The client for scripts and notebooks: `Client` has the same calls as `hippod_client.Client`, over a blocking socket, one at a time."""

from hippod_client.sync.client import Client

__all__ = ["Client"]
