"""The one error of this auditor: what does not fit, and where it was found."""


class Fault(Exception):
    """A reason to refuse the log."""


def expect(fits, reason):
    """Refuses unless it fits."""
    if not fits:
        raise Fault(reason)


def shaped(value, members):
    """The map, which must have exactly these members in this order."""
    expect(isinstance(value, dict) and list(value) == members.split(), f"not the members {members}")
    return value
