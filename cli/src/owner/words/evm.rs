//! Routes of chains in words: what is signed, for whom, and what is charged for it.

use claviger_shared::{
    catalog::{
        Argument, AssetForm, Catalog, CoinTransfer, ContractCall, EACH, EvmRoute, EvmSigns,
        MemberRule, MemberType, Members, Resource, Route, SignIn, TokenCall, TypedData, ValueRule,
    },
    chain::{AbiType, Address, Atom, account},
};

/// What a value without a type of its own is written as.
const NUMBER: Atom = Atom::Uint(256);

/// What is signed, and where it takes effect.
#[must_use]
pub fn line(route: &EvmRoute) -> String {
    let chain = route.chain;
    match &route.signs {
        EvmSigns::Coin(CoinTransfer { coin, to }) => {
            format!("send {coin} on chain {chain} to {}", accounts(to))
        }
        EvmSigns::Token(TokenCall {
            unit,
            function,
            to,
            contract,
            ..
        }) => {
            let whom = if function.is_allowance() {
                "spender"
            } else {
                "to"
            };
            format!(
                "{} of {unit} at {} {whom} {}",
                function.name(),
                account(chain, contract),
                accounts(to)
            )
        }
        EvmSigns::Call(call) => {
            let at = account(chain, &call.contract);
            format!("{} at {at}", call.signature())
        }
        EvmSigns::TypedData(typed) => {
            let at = account(chain, &typed.domain.contract);
            format!("typed data {} for {at}", typed.primary_type)
        }
        EvmSigns::SignIn(SignIn { uri, .. }) => format!("sign in to {uri} on chain {chain}"),
    }
}

fn accounts(list: &[Address]) -> String {
    let list: Vec<_> = list.iter().map(ToString::to_string).collect();
    list.join(" or ")
}

/// Everything a route says beside that.
#[must_use]
pub fn facts(route: &EvmRoute) -> Vec<String> {
    let mut facts = match &route.signs {
        EvmSigns::Coin(_) => Vec::new(),
        EvmSigns::Token(token) => of_token(token),
        EvmSigns::Call(call) => of_call(call),
        EvmSigns::TypedData(typed) => of_typed(typed),
        EvmSigns::SignIn(sign_in) => of_sign_in(sign_in),
    };
    if let Some(coin) = route.coin() {
        facts.push(format!("charges {coin}: all gas at its highest price"));
    }
    if route.is_endless() {
        facts.push("nothing ends it but what takes its place".to_owned());
    }
    if route.mints() {
        facts.push("what it answers is itself a credential".to_owned());
    }
    facts
}

fn of_token(token: &TokenCall) -> Vec<String> {
    let TokenCall {
        coin: _,
        unit,
        contract: _,
        function,
        from,
        to: _,
        token_id,
    } = token;
    let mut facts = Vec::new();
    if !from.is_empty() {
        facts.push(format!("from {}", accounts(from)));
    }
    match token_id {
        None => {}
        Some(Members::Any) => facts.push("any id".to_owned()),
        Some(Members::Listed(ids)) => facts.push(format!("id {}", ids.join(" or "))),
    }
    let what = if function.is_allowance() {
        "the whole allowance"
    } else {
        "the amount"
    };
    facts.push(format!("charges {unit}: {what}"));
    facts
}

fn of_call(call: &ContractCall) -> Vec<String> {
    let lists: Vec<_> = call.types().flat_map(in_list).collect();
    let one = |(number, argument): (usize, &Argument)| {
        let name = argument.name.clone();
        let name = name.unwrap_or_else(|| format!("argument {number}"));
        let name = match lists.get(number) {
            Some(true) => of_each(&name, &argument.rule),
            Some(false) | None => name,
        };
        let atom = match argument.of.element() {
            AbiType::Atom(atom) => *atom,
            // Texts are as they are.
            AbiType::Bytes | AbiType::String | AbiType::List { .. } | AbiType::Tuple(_) => NUMBER,
        };
        value(&name, atom, &argument.rule)
    };
    let mut facts: Vec<_> = call.arguments.iter().enumerate().map(one).collect();
    if call.payable {
        facts.push(format!("with {} sent along", call.coin));
    }
    facts
}

/// Of each thing that a type is made of, whether it is an element of a list or in one.
fn in_list(of: &AbiType) -> Vec<bool> {
    match of {
        AbiType::Tuple(parts) => parts.iter().flat_map(in_list).collect(),
        AbiType::List { .. } => vec![true; of.pieces().len()],
        AbiType::Atom(_) | AbiType::Bytes | AbiType::String => vec![false],
    }
}

/// What the rule of a list is about: amounts add up, other rules are of each element.
fn of_each(name: &str, rule: &ValueRule) -> String {
    match rule {
        ValueRule::Charge { .. } => format!("the sum of {name}"),
        ValueRule::Any | ValueRule::Listed(_) | ValueRule::Most(_) | ValueRule::Texts(_) => {
            format!("each of {name}")
        }
    }
}

fn of_typed(typed: &TypedData) -> Vec<String> {
    let one = |(pointer, rule): (&String, &MemberRule)| match rule {
        MemberRule::AnyText => format!("{pointer}: any"),
        MemberRule::Deadline => {
            let longest = typed.longest.0 / 1000;
            format!("{pointer}: its end, at most {longest} s ahead")
        }
        MemberRule::Nonce => format!("{pointer}: its reader takes it once"),
        MemberRule::Texts(texts) => format!("{pointer}: {}", texts.join(" or ")),
        MemberRule::Value(rule) => {
            let atom = typed.type_at(pointer).and_then(MemberType::atom);
            let name = if pointer.split('/').any(|part| part == EACH) {
                of_each(pointer, rule)
            } else {
                pointer.clone()
            };
            value(&name, atom.unwrap_or(NUMBER), rule)
        }
    };
    let mut facts: Vec<_> = typed.members.iter().map(one).collect();
    if typed.replayable {
        facts.push("charges may be made without single use at the destination".to_owned());
    }
    facts
}

fn of_sign_in(sign_in: &SignIn) -> Vec<String> {
    let named = [
        ("saying", &sign_in.statements),
        ("with resources", &sign_in.resources),
    ];
    let named = named.into_iter().filter(|(_, list)| !list.is_empty());
    named
        .map(|(what, list)| format!("{what}: {}", list.join(" | ")))
        .collect()
}

fn value(name: &str, atom: Atom, rule: &ValueRule) -> String {
    match rule {
        ValueRule::Any => format!("{name}: any"),
        ValueRule::Listed(list) => {
            let list: Vec<_> = list.iter().map(|word| atom.show(word)).collect();
            format!("{name}: {}", list.join(" or "))
        }
        ValueRule::Most(most) => format!("{name}: up to {most}"),
        ValueRule::Texts(texts) => format!("{name}: {}", texts.join(" or ")),
        ValueRule::Charge { unit, most: None } => format!("charges {unit}: {name}"),
        ValueRule::Charge {
            unit,
            most: Some(most),
        } => format!("charges {unit}: {name}, up to {most}"),
    }
}

/// What transactions of a resource's chains are charged besides: the caps of fees that nothing signed bounds.
#[must_use]
pub fn fees(catalog: &Catalog, resource: &Resource) -> Vec<String> {
    let mut lines = Vec::new();
    for route in &resource.routes {
        let Route::Evm(route) = route else { continue };
        let Some((coin, asset)) = route
            .coin()
            .and_then(|coin| catalog.assets.get_key_value(coin))
        else {
            continue;
        };
        if let AssetForm::Native {
            extra_fee_max: Some(most),
        } = &asset.form
        {
            let chain = asset.chain;
            let line = format!(
                "each transaction on chain {chain} is charged {most} {coin} for its data besides gas"
            );
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(text: &str) -> Vec<(String, Vec<String>)> {
        let text = format!(
            r#"{{"v":1,"assets":{{"eth":{{"chain":1,"native":true,"decimals":18,"extra_fee_max":"9"}},
            "usd":{{"chain":1,"contract":"0x7777777777777777777777777777777777777777","decimals":6}}}},"resources":{{"r":[{text}]}}}}"#
        );
        let catalog = Catalog::parse(text.as_bytes()).unwrap();
        let resource = catalog.resources.values().next().unwrap();
        assert_eq!(
            fees(&catalog, resource),
            ["each transaction on chain 1 is charged 9 eth for its data besides gas"]
        );
        let one = |route: &Route| match route {
            Route::Evm(route) => (line(route), facts(route)),
            other @ (Route::Http(_)
            | Route::Jwt(_)
            | Route::Aws(_)
            | Route::X402(_)
            | Route::Ssh(_)
            | Route::Template(_)
            | Route::Solana(_)) => panic!("{other:?}"),
        };
        resource.routes.iter().map(one).collect()
    }

    #[test]
    fn a_route_says_whom_what_and_what_for() {
        let to = "0x1111111111111111111111111111111111111111";
        let told = routes(&format!(
            r#"{{"kind":"evm","chain":1,"to":["{to}"]}},
            {{"kind":"evm","chain":1,"contract":"usd","call":"approve","to":["{to}"]}},
            {{"kind":"evm","chain":1,"contract":"{to}","call":"f(uint256,bool)","payable":true,
              "arguments":[{{"charge":"usd","max":"5"}},{{"any_of":[true],"name":"sure"}}]}}"#
        ));
        assert_eq!(told[0].0, format!("send eth on chain 1 to {to}"));
        let token = "eip155:1:0x7777777777777777777777777777777777777777";
        assert_eq!(told[1].0, format!("approve of usd at {token} spender {to}"));
        assert_eq!(told[2].0, format!("f(uint256,bool) at eip155:1:{to}"));
        let ends = "nothing ends it but what takes its place";
        let gas = "charges eth: all gas at its highest price";
        assert_eq!(told[0].1, [gas, ends]);
        assert_eq!(told[1].1, ["charges usd: the whole allowance", gas, ends]);
        let arguments = ["charges usd: argument 0, up to 5", "sure: true"];
        let wanted = [&arguments[..], &["with eth sent along", gas, ends]].concat();
        assert_eq!(told[2].1, wanted);
    }

    #[test]
    fn lists_and_parts_say_what_each_may_be() {
        let to = "0x1111111111111111111111111111111111111111";
        let told = routes(&format!(
            r#"{{"kind":"evm","chain":1,"contract":"{to}","call":"f((address,uint256)[],string[2],bytes)",
              "arguments":[{{"name":"whom","any_of":["{to}"]}},{{"charge":"usd","max":"5"}},{{"any":true}},{{"any_of":["0x"],"name":"data"}}]}},
            {{"kind":"evm","chain":1,"typed_data":{{"domain":{{"contract":"{to}"}},"primary_type":"L",
              "types":{{"L":[{{"name":"whom","type":"address[]"}}]}},"members":{{"/whom/*":{{"any_of":["{to}"]}}}}}}}}"#
        ));
        let whom = format!("each of whom: {to}");
        let charge = "charges usd: the sum of argument 1, up to 5";
        let arguments = [whom.as_str(), charge, "each of argument 2: any", "data: 0x"];
        assert_eq!(told[0].1[..4], arguments);
        assert_eq!(told[1].1[0], format!("each of /whom/*: {to}"));
    }
}
