//! Microsoft Entra ID: a federated credential of an app registration.

use super::{Facts, NAME, Setup, Step, named, token};
use serde_json::json;

pub(super) fn setup(facts: &Facts) -> Setup {
    let credential = json!({
        "name": format!("{NAME}-{}", named(facts)), "issuer": facts.issuer, "subject": facts.subject.as_str(),
        "audiences": [facts.audience],
    });
    let create = Step::run(
        "for the app; Entra fetches the keys from the issuer's URL",
        &[
            "az ad app federated-credential create --id APP_ID --parameters federated-credential.json",
        ],
    );
    let exchange = Step::run(
        "by hand; the SDKs do it by themselves where the three variables below are set",
        &[
            "curl --fail-with-body https://login.microsoftonline.com/TENANT_ID/oauth2/v2.0/token -d grant_type=client_credentials \
             -d client_id=APP_ID -d client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer \
             --data-urlencode client_assertion@TOKEN_FILE --data-urlencode scope=SCOPE",
        ],
    );
    let environment = Step::run(
        "for the SDKs",
        &[
            "export AZURE_TENANT_ID=TENANT_ID AZURE_CLIENT_ID=APP_ID AZURE_FEDERATED_TOKEN_FILE=TOKEN_FILE",
        ],
    );
    Setup {
        provider: vec![
            Step::file(
                "whose tokens are taken",
                "federated-credential.json",
                credential,
            ),
            create,
        ],
        exchange: vec![token(facts), exchange, environment],
        minted: "an access token for all that the app may do at the scope asked for, usually 60 to 90 minutes; it cannot be taken back",
        fill: vec![
            "APP_ID: the app's client id",
            "TENANT_ID: the tenant",
            "SCOPE: such as https://vault.azure.net/.default",
            "TOKEN_FILE: a file of mode 0600",
        ],
    }
}
