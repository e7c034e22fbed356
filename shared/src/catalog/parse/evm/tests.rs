//! Every rule of a route for a chain, on both sides.

mod lists;

use crate::{
    catalog::{Catalog, EvmRoute, EvmSigns, Route, TokenFunction},
    codec::cbor,
    effect::Verb,
    owner::Error,
};
use serde_json::{Value, json};

const A: &str = "0x1111111111111111111111111111111111111111";
const B: &str = "0x2222222222222222222222222222222222222222";
const USDC: &str = "0x833589fcd6edb6e08f4c7c32d4f71b54bda02913";
const POOL: &str = "0x3333333333333333333333333333333333333333";
const NFT: &str = "0x4444444444444444444444444444444444444444";
const ITEMS: &str = "0x5555555555555555555555555555555555555555";

fn assets() -> Value {
    json!({
        "eth.base": {"chain": 8453, "native": true, "decimals": 18, "extra_fee_max": "1000"},
        "usdc.base": {"chain": 8453, "contract": USDC, "decimals": 6},
        "nft.base": {"chain": 8453, "contract": NFT, "decimals": 0, "standard": "erc721"},
        "items.base": {"chain": 8453, "contract": ITEMS, "decimals": 0, "standard": "erc1155"},
        "eth.test": {"chain": 84532, "native": true, "decimals": 18, "env": "sandbox"},
        "usdc.other": {"chain": 1, "contract": USDC, "decimals": 6},
    })
}

fn set(routes: Value) -> Result<Catalog, Error> {
    let catalog = json!({"v": 1, "assets": assets(), "resources": {"r": routes}});
    Catalog::parse(catalog.to_string().as_bytes())
}

fn parse(mut route: Value) -> Result<EvmRoute, Error> {
    route["kind"] = json!("evm");
    if route.get("chain").is_none() {
        route["chain"] = json!(8453);
    }
    let catalog = set(json!([route]))?;
    let bytes = cbor::encode(&catalog).unwrap();
    let read: Catalog = cbor::decode(&bytes, bytes.len()).unwrap();
    assert_eq!(read, catalog, "kept as it is read");
    // A snapshot holds it two levels down.
    let bytes = cbor::encode(&[[&catalog]]).unwrap();
    let _within: Vec<Vec<Catalog>> = cbor::decode(&bytes, bytes.len()).unwrap();
    match &catalog.resources.values().next().unwrap().routes[0] {
        Route::Evm(route) => Ok(route.clone()),
        other @ (Route::Http(_)
        | Route::Jwt(_)
        | Route::Aws(_)
        | Route::X402(_)
        | Route::Ssh(_)
        | Route::Template(_)
        | Route::Solana(_)) => panic!("{other:?}"),
    }
}

fn refused(route: Value) -> (&'static str, String) {
    let error = parse(route.clone()).expect_err(&route.to_string());
    let pointer = error
        .pointer()
        .strip_prefix("/resources/r/0")
        .map(str::to_owned);
    (
        error.code(),
        pointer.unwrap_or_else(|| error.pointer().to_owned()),
    )
}

fn with(mut base: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = base.pointer_mut(parent).unwrap();
    match parent.as_array_mut() {
        Some(list) => list[name.parse::<usize>().unwrap()] = value,
        None => parent[name] = value,
    }
    base
}

fn without(mut base: Value, name: &str) -> Value {
    base.as_object_mut().unwrap().remove(name);
    base
}

fn transfer() -> Value {
    json!({"contract": "usdc.base", "call": "transfer", "to": [A]})
}

fn deposit() -> Value {
    json!({"contract": POOL, "call": "deposit(uint256,address)", "arguments": [{"charge": "usdc.base", "max": "5"}, {"any_of": [A], "name": "who"}]})
}

#[test]
fn the_coin_goes_to_accounts_that_are_named() {
    let route = parse(json!({"to": [A, B]})).unwrap();
    let EvmSigns::Coin(coin) = &route.signs else {
        panic!("{route:?}")
    };
    assert_eq!((coin.coin.as_str(), coin.to.len()), ("eth.base", 2));
    for (route, at) in [
        (json!({}), "/to"),
        (json!({"to": []}), "/to"),
        (json!({"to": "any"}), "/to"),
        (json!({"to": [A, A]}), "/to/1"),
        (
            json!({"to": ["0x0000000000000000000000000000000000000000"]}),
            "/to/0",
        ),
        (
            json!({"to": ["0x833589fcd6edb6e08f4c7c32d4f71b54bda02914Z"]}),
            "/to/0",
        ),
        (json!({"to": [USDC]}), "/to"),
        (json!({"to": [A], "chain": 1}), "/chain"),
        (json!({"to": [A], "chain": 84532}), "/chain"),
        (json!({"to": [A], "chain": 0}), "/chain"),
        (json!({"to": [A], "call": "transfer"}), "/call"),
        (json!({"to": [A], "value": "5"}), "/value"),
        (json!({"to": [A], "probe": true}), "/probe"),
    ] {
        assert_eq!(refused(route.clone()).1, at, "{route}");
    }
    let sandbox = json!({"kind": "evm", "chain": 84532, "to": [A]});
    set(json!({"env": "sandbox", "routes": [sandbox]})).unwrap();
    let live = json!({"kind": "evm", "chain": 8453, "to": [A]});
    set(json!({"env": "sandbox", "routes": [live]})).unwrap_err();
}

#[test]
fn functions_of_standards_are_those_of_the_asset() {
    for (call, function) in [
        ("transfer", TokenFunction::Transfer),
        ("transfer(address,uint256)", TokenFunction::Transfer),
        ("approve", TokenFunction::Approve),
        ("increaseAllowance", TokenFunction::IncreaseAllowance),
    ] {
        let route = parse(with(transfer(), "/call", json!(call))).unwrap();
        let EvmSigns::Token(token) = &route.signs else {
            panic!("{route:?}")
        };
        assert_eq!(token.function, function);
        assert_eq!(token.unit.as_str(), "usdc.base");
    }
    // By its address it is the same asset.
    let named = parse(transfer()).unwrap();
    assert_eq!(
        parse(with(transfer(), "/contract", json!(USDC))).unwrap(),
        named
    );
    let from = with(
        with(transfer(), "/call", json!("transferFrom")),
        "/from",
        json!([B]),
    );
    parse(from.clone()).unwrap();
    assert_eq!(refused(without(from, "from")).1, "/from");
    assert_eq!(refused(with(transfer(), "/from", json!([B]))).1, "/from");
    assert_eq!(
        refused(with(transfer(), "/token_id", json!("any"))).1,
        "/token_id"
    );
    assert_eq!(refused(with(transfer(), "/to", json!([USDC]))).1, "/to");
    assert_eq!(refused(without(transfer(), "to")).1, "/to");
    assert_eq!(
        refused(with(transfer(), "/contract", json!("eth.base"))).1,
        "/contract"
    );
    assert_eq!(
        refused(with(transfer(), "/contract", json!("usdc.other"))).1,
        "/contract"
    );
    assert_eq!(
        refused(with(transfer(), "/contract", json!("nothing"))).1,
        "/contract"
    );
    assert_eq!(
        refused(with(transfer(), "/payable", json!(true))).1,
        "/payable"
    );
    assert_eq!(refused(with(transfer(), "/verb", json!("read"))).1, "/verb");
}

#[test]
fn tokens_that_are_not_alike_are_named() {
    let one = |call: &str| json!({"contract": "nft.base", "call": call, "from": [A], "to": [B], "token_id": ["7"]});
    for call in ["transferFrom", "safeTransferFrom"] {
        parse(one(call)).unwrap();
        assert_eq!(refused(without(one(call), "token_id")).1, "/token_id");
    }
    let some = with(one("safeTransferFrom"), "/contract", json!("items.base"));
    let route = parse(some).unwrap();
    let EvmSigns::Token(token) = &route.signs else {
        panic!("{route:?}")
    };
    assert_eq!(token.function, TokenFunction::SafeTransferSomeFrom);
    parse(with(one("transferFrom"), "/token_id", json!("any"))).unwrap();
    for bad in [json!("all"), json!([]), json!([7]), json!(["07"])] {
        let at = refused(with(one("transferFrom"), "/token_id", bad)).1;
        assert!(at.starts_with("/token_id"), "{at}");
    }
    // What gives all of them away is not written.
    assert_eq!(
        refused(one("setApprovalForAll(address,bool)")).0,
        Error::UNSUPPORTED
    );
    assert_eq!(
        refused(one("approve(address,uint256)")).0,
        Error::UNSUPPORTED
    );
}

#[test]
fn another_contract_has_a_rule_for_every_argument() {
    let route = parse(deposit()).unwrap();
    let EvmSigns::Call(call) = &route.signs else {
        panic!("{route:?}")
    };
    assert_eq!(call.signature(), "deposit(uint256,address)");
    assert_eq!((call.verb, call.payable), (Verb::Write, false));
    assert_eq!(route.units().len(), 2);
    parse(json!({"contract": POOL, "call": "harvest()", "verb": "delete", "payable": true}))
        .unwrap();
    let arguments = "/arguments";
    for (route, at) in [
        (without(deposit(), "arguments"), arguments),
        (
            with(deposit(), arguments, json!([{"charge": "usdc.base"}])),
            arguments,
        ),
        (with(deposit(), "/arguments/0", json!({})), "/arguments/0"),
        (
            with(deposit(), "/arguments/0", json!({"any": false})),
            "/arguments/0",
        ),
        (
            with(deposit(), "/arguments/0", json!({"any": true, "max": "5"})),
            "/arguments/0",
        ),
        (
            with(deposit(), "/arguments/0", json!({"charge": "call"})),
            "/arguments/0/charge",
        ),
        (
            with(deposit(), "/arguments/0", json!({"charge": "usdc.other"})),
            "/arguments/0/charge",
        ),
        (
            with(deposit(), "/arguments/0", json!({"charge": "eth.test"})),
            "/arguments/0/charge",
        ),
        (
            with(
                deposit(),
                "/arguments/0",
                json!({"charge": "usdc.base", "max": "0"}),
            ),
            "/arguments/0/max",
        ),
        (
            with(deposit(), "/arguments/0", json!({"max": 5})),
            "/arguments/0/max",
        ),
        (
            with(deposit(), "/arguments/0", json!({"any_of": ["-1"]})),
            "/arguments/0/any_of/0",
        ),
        (
            with(deposit(), "/arguments/1", json!({"charge": "usdc.base"})),
            "/arguments/1/charge",
        ),
        (
            with(deposit(), "/arguments/1", json!({"any_of": []})),
            "/arguments/1/any_of",
        ),
        (
            with(
                deposit(),
                "/arguments/1",
                json!({"any": true, "name": "1a"}),
            ),
            "/arguments/1/name",
        ),
        (with(deposit(), "/call", json!("deposit")), "/call"),
        (
            with(deposit(), "/call", json!("deposit(uint256, address)")),
            "/call",
        ),
        (
            with(deposit(), "/call", json!("deposit(uint256,address")),
            "/call",
        ),
        (with(deposit(), "/to", json!([A])), "/to"),
    ] {
        assert_eq!(refused(route.clone()).1, at, "{route}");
    }
}

#[test]
fn what_allows_without_an_amount_is_not_written_whatever_it_is_called() {
    let any = json!([{"any": true}, {"any": true}]);
    for call in [
        "setApprovalForAll(address,bool)",
        "approve(address,uint256)",
        "permit(address,bool)",
        "transfer(address,bool)",
        "safeTransferFrom(address,uint256)",
        "permit((address,uint256)[],bytes)",
        "safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)",
        "transferFrom((address,address,uint160,address)[])",
        "f(uint256[0])",
        "f(uint256[65])",
        "f((uint256,address)",
        "f(uint)",
    ] {
        let route = json!({"contract": POOL, "call": call, "arguments": any});
        assert_eq!(
            refused(route),
            (Error::UNSUPPORTED, "/call".to_owned()),
            "{call}"
        );
    }
    // A name whose selector is `transferFrom`'s: the two are one function to every contract.
    let route = json!({"contract": POOL, "call": "gasprice_bit_ether(int128)", "arguments": [{"any": true}]});
    assert_eq!(refused(route), (Error::UNSUPPORTED, "/call".to_owned()));
}

fn order() -> Value {
    json!({"typed_data": {
        "domain": {"name": "Shop", "version": "1", "contract": POOL},
        "primary_type": "Order",
        "types": {
            "Order": [
                {"name": "buyer", "type": "Person"}, {"name": "amount", "type": "uint256"}, {"name": "nonce", "type": "bytes32"},
                {"name": "deadline", "type": "uint64"}, {"name": "note", "type": "string"},
            ],
            "Person": [{"name": "wallet", "type": "address"}],
        },
        "members": {
            "/buyer/wallet": {"any_of": [A]}, "/amount": {"charge": "usdc.base"}, "/nonce": {"nonce": true},
            "/deadline": {"deadline": true}, "/note": {"any_of": ["hello"]},
        },
    }})
}

#[test]
fn a_form_of_typed_data_is_whole() {
    let route = parse(order()).unwrap();
    let EvmSigns::TypedData(typed) = &route.signs else {
        panic!("{route:?}")
    };
    assert_eq!(
        typed.encode_type("Order"),
        "Order(Person buyer,uint256 amount,bytes32 nonce,uint64 deadline,string note)Person(address wallet)"
    );
    assert!(typed.has_deadline() && typed.is_single_use() && !route.is_endless());
    let t = |at: &str| format!("/typed_data{at}");
    let set = |at: &str, value: Value| with(order(), &t(at), value);
    for (route, at) in [
        (
            set(
                "/domain/contract",
                json!("0x0000000000000000000000000000000000000000"),
            ),
            "/domain/contract",
        ),
        (
            set(
                "/domain/contract",
                json!("0x000000000022D473030F116dDEE9F6B43aC78BA3"),
            ),
            "/domain/contract",
        ),
        (set("/domain/salt", json!("0x00")), "/domain/salt"),
        (set("/domain/origin", json!("x")), "/domain/origin"),
        (set("/primary_type", json!("Other")), "/primary_type"),
        (set("/primary_type", json!("Person")), "/primary_type"),
        (set("/types/Person", json!([])), "/types/Person"),
        (set("/types/Person/0/type", json!("Order")), "/primary_type"),
        (
            set("/types/Person/0/type", json!("address[0]")),
            "/types/Person/0/type",
        ),
        (
            set("/types/Person/0/type", json!("Nobody")),
            "/types/Person/0/type",
        ),
        (
            set(
                "/types/EIP712Domain",
                json!([{"name": "a", "type": "bool"}]),
            ),
            "/types/EIP712Domain",
        ),
        (set("/members/~1note", json!({})), "/members/~1note/any"),
        (
            set("/members/~1amount", json!({"deadline": true})),
            "/members",
        ),
        (
            set("/members/~1buyer", json!({"any": true})),
            "/members/~1buyer",
        ),
        (set("/members/~1nonce", json!({"any": true})), "/members"),
        (set("/max_lifetime_s", json!(0)), "/max_lifetime_s"),
        (set("/max_lifetime_s", json!(40_000_000)), "/max_lifetime_s"),
    ] {
        // A member's name holds a slash, which `with` does not know.
        let text = route.to_string().replace("~1", "/");
        let route: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(refused(route.clone()).1, t(at), "{route}");
    }
}

#[test]
fn permits_are_not_written_by_any_rules() {
    let permit = |name: &str, members: Value| {
        let rules: serde_json::Map<_, _> = members
            .as_array()
            .unwrap()
            .iter()
            .map(|member| {
                (
                    format!("/{}", member["name"].as_str().unwrap()),
                    json!({"any": true}),
                )
            })
            .collect();
        json!({"typed_data": {
            "domain": {"name": "USD Coin", "version": "2", "contract": USDC}, "primary_type": name, "types": {name: members},
            "members": rules,
        }})
    };
    let member = |name: &str, of: &str| json!({"name": name, "type": of});
    let eip2612 = json!([
        member("owner", "address"),
        member("spender", "address"),
        member("value", "uint256"),
        member("nonce", "uint256"),
        member("deadline", "uint256"),
    ]);
    for name in [
        "Permit",
        "PermitSingle",
        "PermitBatch",
        "PermitTransferFrom",
        "PermitWitnessTransferFrom",
        "TokenPermissions",
        "TransferWithAuthorization",
        "ReceiveWithAuthorization",
        "CancelAuthorization",
    ] {
        let refused = refused(permit(name, eip2612.clone()));
        assert_eq!(
            refused,
            (Error::UNSUPPORTED, "/typed_data/primary_type".to_owned()),
            "{name}"
        );
    }
    parse(permit("Offer", eip2612)).unwrap();
}

#[test]
fn the_hashes_of_permits_are_those_of_their_types() {
    use crate::crypto::keccak::keccak256;
    let hash = |text: &str| keccak256(&[text.as_bytes()]);
    let [eip2612, dai] = super::typed::NEVER_HASHES;
    assert_eq!(
        hash("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
        eip2612
    );
    assert_eq!(
        hash("Permit(address holder,address spender,uint256 nonce,uint256 expiry,bool allowed)"),
        dai
    );
}

#[test]
fn a_sign_in_says_where_and_what() {
    let sign_in = || json!({"sign_in": {"domain": "app.example", "uri": "https://app.example/login", "statements": ["I accept."]}});
    let route = parse(sign_in()).unwrap();
    assert!(route.mints() && route.coin().is_none() && !route.is_endless());
    let set = |at: &str, value: Value| with(sign_in(), at, value);
    parse(set("/sign_in/domain", json!("app.example:8443"))).unwrap_err();
    for (route, at) in [
        (
            set("/sign_in/domain", json!("App.example")),
            "/sign_in/domain",
        ),
        (
            set("/sign_in/domain", json!("app.example:443")),
            "/sign_in/domain",
        ),
        (
            set("/sign_in/domain", json!("app.example:")),
            "/sign_in/domain",
        ),
        (
            set("/sign_in/uri", json!("https://app.example.evil/login")),
            "/sign_in/uri",
        ),
        (
            set("/sign_in/uri", json!("http://app.example/login")),
            "/sign_in/uri",
        ),
        (set("/sign_in/statements", json!([])), "/sign_in/statements"),
        (
            set("/sign_in/statements", json!(["a\nb"])),
            "/sign_in/statements/0",
        ),
        (set("/sign_in/chain", json!(1)), "/sign_in/chain"),
        (set("/contract", json!(POOL)), "/contract"),
    ] {
        assert_eq!(refused(route.clone()).1, at, "{route}");
    }
}

#[test]
fn no_two_routes_of_a_name_take_the_same() {
    let kind = |mut route: Value| {
        route["kind"] = json!("evm");
        route["chain"] = json!(8453);
        route
    };
    let both = |a: Value, b: Value| set(json!([kind(a), kind(b)])).is_ok();
    let other = |to: &str| with(transfer(), "/to", json!([to]));
    assert!(!both(transfer(), other(A)) && both(transfer(), other(B)));
    assert!(
        !both(json!({"to": [A]}), json!({"to": [B, A]}))
            && both(json!({"to": [A]}), json!({"to": [B]}))
    );
    assert!(both(transfer(), json!({"to": [A]})));
    let apart = with(deposit(), "/arguments/1/any_of", json!([B]));
    assert!(both(deposit(), apart) && !both(deposit(), deposit()));
    assert!(!both(order(), order()));
}
