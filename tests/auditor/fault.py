"""The one error of this auditor: what does not fit, and where it was found."""


class Fault(Exception):
    """A reason to refuse the log."""


def expect(fits, reason):
    """Refuses unless it fits."""
    if not fits:
        raise Fault(reason)


def shaped(value, members, last=None):
    """The map, which must have exactly these members in this order; and at most one more, which may stand last."""
    expect(isinstance(value, dict), f"not the members {members}")
    names = list(value)
    fits = names == members.split() or (last and names == [*members.split(), last])
    expect(fits, f"not the members {members}")
    return value
