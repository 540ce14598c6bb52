"""The bytes of the native protocol: frames, array blocks and the structure of bodies. Pure functions, no I/O.

docs/protocol.md is the specification. Client and server both use this package, so the codec exists once.
"""
