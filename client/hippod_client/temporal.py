"""Dates and times of results: rows carry them as integers, these give them their numpy types.

    date                  days since 1970-01-01
    time                  microseconds since midnight
    timestamp, datetime   microseconds since 1970-01-01T00:00Z

Which field is which says `describe_table`. For Python objects: `to_dates(column).astype(object)`. Masked entries become NaT.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def to_dates(days: npt.ArrayLike) -> npt.NDArray[np.datetime64]:
    """Values of a date field as datetime64[D]."""
    return _converted(days, "M8[D]")


def to_datetimes(microseconds: npt.ArrayLike) -> npt.NDArray[np.datetime64]:
    """Values of a timestamp or datetime field as datetime64[us], UTC."""
    return _converted(microseconds, "M8[us]")


def to_times(microseconds: npt.ArrayLike) -> npt.NDArray[np.timedelta64]:
    """Values of a time field as timedelta64[us] since midnight."""
    return _converted(microseconds, "m8[us]")


def _converted(numbers: Any, dtype: str) -> npt.NDArray[Any]:
    converted: npt.NDArray[Any] = np.ma.getdata(numbers).astype(np.int64).astype(dtype)
    converted[np.ma.getmaskarray(numbers)] = np.array("NaT", dtype)
    return converted
