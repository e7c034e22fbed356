"""Units of account on chains: what each is for ever, and which of them say what a resource charges."""

from fault import expect


def meaning(asset):
    """What an asset is, however it is spelled; without the one figure that owners may move."""
    plain = {name: value for name, value in asset.items() if name != "extra_fee_max"}
    plain.setdefault("env", "live")
    if not plain.get("native"):
        plain.pop("native", None)
        if "cluster" in plain:
            plain.setdefault("program", "token")
            return plain
        plain.setdefault("standard", "erc20")
        plain["contract"] = plain["contract"].lower()
    return plain


def fee(asset):
    """The figure that may be moved."""
    return asset.get("extra_fee_max")


def kept(old, new):
    """Refuses a catalog that takes an asset out or says something else of it."""
    for unit, asset in old.items():
        expect(unit in new and meaning(new[unit]) == meaning(asset), f"the asset {unit} is redefined")


def charged(routes, assets):
    """The assets, with all that is said of them, whose units a resource's routes of chains charge."""
    found = {}
    for route in routes:
        if route["kind"] != "evm":
            continue
        typed = route.get("typed_data", {})
        rules = route.get("arguments", []) + list(typed.get("members", {}).values())
        units = {rule["charge"] for rule in rules if "charge" in rule}
        contract = route.get("contract")
        for unit, asset in assets.items():
            here = asset.get("chain") == route["chain"]
            coin = here and asset.get("native") and not typed and "sign_in" not in route
            token = here and contract and contract.lower() in (unit.lower(), asset.get("contract", "").lower())
            if coin or token or unit in units:
                found[unit] = (meaning(asset), fee(asset))
    return found
