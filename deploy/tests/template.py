"""Reads a CloudFormation template and resolves as much of its language as these templates use."""
import pathlib
import re
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOTHING = object()


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms. Aliases are refused, as CloudFormation refuses them."""

    def compose_node(self, parent, index):
        assert not self.check_event(yaml.events.AliasEvent), "CloudFormation takes no YAML aliases"
        return super().compose_node(parent, index)

    def short(self, suffix, node):
        name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
        if isinstance(node, yaml.ScalarNode):
            value = self.construct_scalar(node)
            return {name: value.split(".", 1) if suffix == "GetAtt" else value}
        if isinstance(node, yaml.SequenceNode):
            return {name: self.construct_sequence(node, deep=True)}
        return {name: self.construct_mapping(node, deep=True)}


Loader.add_multi_constructor("!", Loader.short)


class Template:
    def __init__(self, name, **parameters):
        self.body = yaml.load((ROOT / "deploy/cloudformation" / name).read_text(), Loader)
        declared = self.body["Parameters"]
        unknown = set(parameters) - set(declared)
        assert not unknown, unknown
        self.values = {name: one.get("Default") for name, one in declared.items()} | parameters
        for name, value in self.values.items():
            pattern = declared[name].get("AllowedPattern")
            assert value is None or not pattern or re.fullmatch(pattern, value), (name, value)

    def condition(self, value):
        (name, inner), = value.items()
        if name == "Condition":
            return self.condition(self.body["Conditions"][inner])
        if name == "Fn::Equals":
            one, other = (self.resolve(one) for one in inner)
            return one == other
        if name == "Fn::Not":
            return not self.condition(inner[0])
        raise AssertionError(name)

    def resolve(self, value):
        if isinstance(value, list):
            return [one for one in map(self.resolve, value) if one is not NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (name, inner), = value.items()
            if name == "Ref":
                if inner == "AWS::NoValue":
                    return NOTHING
                # A resource stands for itself.
                return self.values.get(inner, f"<{inner}>")
            if name == "Fn::If":
                return self.resolve(inner[1 if self.condition({"Condition": inner[0]}) else 2])
            if name == "Fn::Join":
                return inner[0].join(self.resolve(inner[1]))
            if name == "Fn::Split":
                return self.resolve(inner[1]).split(inner[0])
            if name == "Fn::GetAtt":
                return f"<{'.'.join(inner)}>"
            if name == "Fn::Sub":
                text = inner if isinstance(inner, str) else inner[0]
                return re.sub(r"\$\{([^}]*)\}", lambda found: f"<{found[1]}>", text)
        return {name: self.resolve(one) for name, one in value.items()}

    def properties(self, resource):
        return self.resolve(self.body["Resources"][resource]["Properties"])
