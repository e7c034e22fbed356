//! A server's requirements: what it asks to be paid, read from its strict JSON, nothing of it believed.
//!
//! Having [`Requirements`] means that every member is known and in one spelling. Which token is meant and whether its
//! payee may be paid, the catalog says.

use claviger_shared::{
    amount::{Amount, BadAmount},
    call::x402::Version,
    catalog::DomainName,
    chain::Address,
    codec::json::{self, Object, Place, Value},
    denial::{Code, Denial},
    time::Millis,
};

/// The one scheme.
const SCHEME: &str = "exact";
/// The one way of moving a token.
const METHOD: &str = "eip3009";

/// What a server asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Requirements {
    /// As the server writes it.
    pub(super) network: String,
    /// The chain that it is.
    pub(super) chain: u64,
    /// The token's contract.
    pub(super) asset: Address,
    /// Who wants to be paid.
    pub(super) pay_to: Address,
    /// How much; never zero.
    pub(super) amount: Amount,
    /// How long a payment has to be of use.
    pub(super) timeout: Millis,
    /// What it says the token's domain is.
    pub(super) domain: Domain,
}

/// A server's word on a token's domain, as far as it gives it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Domain {
    name: Option<String>,
    version: Option<String>,
}

impl Domain {
    /// Whether nothing in it contradicts the registered domain; else which member does.
    pub(super) fn check(&self, known: &DomainName) -> Result<(), Denial> {
        let pairs = [
            ("/requirements/extra/name", &self.name, &known.name),
            ("/requirements/extra/version", &self.version, &known.version),
        ];
        for (place, said, known) in pairs {
            if said.as_ref().is_some_and(|said| said != known) {
                return Err(Denial::at(Code::DestinationDenied, place));
            }
        }
        Ok(())
    }
}

impl Requirements {
    /// Reads the one of `accepts` that was chosen.
    pub(super) fn parse(text: &str, version: Version) -> Result<Self, Denial> {
        let at = "/requirements";
        let value =
            json::parse(text.as_bytes()).map_err(|_| Denial::at(Code::UnparsableContent, at))?;
        let mut object = Object::new(&value, at).map_err(wrong)?;
        let scheme = object.required("scheme").map_err(wrong)?;
        if scheme.str().map_err(wrong)? != SCHEME {
            return Err(denied(Code::Unsupported, &scheme));
        }
        let place = object.required("network").map_err(wrong)?;
        let network = place.str().map_err(wrong)?;
        let chain = version.chain(network);
        let chain = chain.ok_or_else(|| denied(Code::Unsupported, &place))?;
        let amount = match version {
            Version::One => "maxAmountRequired",
            Version::Two => "amount",
        };
        let read = Self {
            network: network.to_owned(),
            chain,
            asset: address(&mut object, "asset")?,
            pay_to: address(&mut object, "payTo")?,
            amount: self::amount(&object.required(amount).map_err(wrong)?)?,
            timeout: timeout(&object.required("maxTimeoutSeconds").map_err(wrong)?)?,
            domain: match object.optional("extra") {
                Some(place) => domain(&place)?,
                None => Domain::default(),
            },
        };
        if version == Version::One {
            // What a version 1 server says of the resource: never signed, never read.
            for name in ["resource", "description", "mimeType", "outputSchema"] {
                object.optional(name);
            }
        }
        object.finish().map_err(unlisted)?;
        Ok(read)
    }
}

/// A member that must be there, or must be of another form.
fn wrong(error: json::Error) -> Denial {
    Denial::at(Code::InvalidRequest, error.pointer)
}

fn unlisted(error: json::Error) -> Denial {
    Denial::at(Code::UnlistedMember, error.pointer)
}

fn denied(code: Code, place: &Place<'_>) -> Denial {
    Denial::at(code, place.pointer())
}

fn address(object: &mut Object<'_>, name: &str) -> Result<Address, Denial> {
    let place = object.required(name).map_err(wrong)?;
    let address = Address::parse(place.str().map_err(wrong)?);
    address.map_err(|_| denied(Code::InvalidRequest, &place))
}

/// Decimal digits in a text: a number would be read with its precision lost elsewhere.
fn amount(place: &Place<'_>) -> Result<Amount, Denial> {
    let text = place.str().map_err(wrong)?;
    match Amount::parse(text) {
        Ok(Amount::ZERO) => Err(denied(Code::InvalidRequest, place)),
        Ok(amount) => Ok(amount),
        // Digits that are more than 128 bits hold are more than any budget.
        Err(BadAmount) if text.len() > 38 && text.bytes().all(|b| b.is_ascii_digit()) => {
            Err(denied(Code::PerCallExceeded, place))
        }
        Err(BadAmount) => Err(denied(Code::InvalidRequest, place)),
    }
}

fn timeout(place: &Place<'_>) -> Result<Millis, Denial> {
    match place.u64().map_err(wrong)? {
        0 => Err(denied(Code::InvalidRequest, place)),
        seconds => Ok(Millis::from_secs(seconds)),
    }
}

fn domain(place: &Place<'_>) -> Result<Domain, Denial> {
    if matches!(place.value(), Value::Null) {
        return Ok(Domain::default());
    }
    let mut object = place.object().map_err(wrong)?;
    if let Some(place) = object.optional("assetTransferMethod")
        && place.str().map_err(wrong)? != METHOD
    {
        return Err(denied(Code::Unsupported, &place));
    }
    let mut text = |name| match object.optional(name) {
        Some(place) => place.str().map(|text| Some(text.to_owned())).map_err(wrong),
        None => Ok(None),
    };
    let domain = Domain {
        name: text("name")?,
        version: text("version")?,
    };
    object.finish().map_err(unlisted)?;
    Ok(domain)
}
