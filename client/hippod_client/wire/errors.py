"""The one error of this package."""


class WireError(Exception):
    """The bytes break the protocol, or a value cannot be put into a frame; the message says where and which limit."""
