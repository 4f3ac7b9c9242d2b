"""What comes of decoding bytes that others wrote: besides what msgspec promises to raise, what it lets
through for text in no encoding and for what is nested too deep (FAULTS P11)."""

import msgspec

NONSENSE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
