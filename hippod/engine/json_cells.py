"""Cells of json fields: any JSON text in, canonical JSON text out.

Canonical is: no space between tokens, the keys of objects sorted (the last of equal ones stays), each string and number in one
spelling. Equal values so have equal text, and what is stored is known to parse.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from hippod.engine.arrays import StringArray
from hippod.errors import TypeMismatch

_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder(order="sorted").encode


def canonical_json(name: str, cells: StringArray, valid: npt.NDArray[np.bool_] | None) -> StringArray:
    """The texts of field `name` in canonical form, empty where not `valid`. Raises TypeMismatch with the position of one that is none."""
    out = []
    present = np.ones(len(cells), np.bool_) if valid is None else valid
    for position, (cell, is_present) in enumerate(zip(cells.to_bytes_list(), present.tolist(), strict=True)):
        try:
            out.append(_encode(_decode(cell)) if is_present else b"")
        except RecursionError:
            raise TypeMismatch(f"field {name!r}, row {position}: the JSON nests too deep", field=name, position=position) from None
        except (msgspec.MsgspecError, ValueError) as error:
            raise TypeMismatch(f"field {name!r}, row {position} is not JSON: {error}", field=name, position=position) from None
    return StringArray.of_bytes(out)
