//! What a courier is told at start: where the enclave is, where to listen, where to keep things.
//!
//! Having a [`Config`] from [`Config::parse`] means no member was unknown and the operators' face is open beyond
//! loopback only with a token. No secret stands in it: the token is in a file, AWS credentials come from the SDK's chain.

use serde::Deserialize;
use std::{net::SocketAddr, path::PathBuf};

/// Call connections to the enclave unless told otherwise: one per core, within what the enclave takes.
fn call_connections() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    cores.min(claviger_shared::wire::MAX_CALL_CONNECTIONS)
}

/// A courier's configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the enclave listens.
    pub enclave: EnclaveAddress,
    /// Where agents connect.
    pub agents: SocketAddr,
    /// Where operators connect; beyond loopback only with a token.
    pub operators: SocketAddr,
    /// File that holds the operators' bearer token.
    #[serde(default)]
    pub operator_token_file: Option<PathBuf>,
    /// Manifests, bundle and log.
    pub dir: PathBuf,
    /// How KMS is reached.
    pub kms: Kms,
    /// Connections for agents' channels to the enclave, 1 to 4; by default one per core.
    #[serde(default = "call_connections")]
    pub call_connections: usize,
}

/// Where an enclave listens.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnclaveAddress {
    /// A Unix socket: the simulation.
    Unix(PathBuf),
    /// A vsock port: production.
    Vsock(VsockAddress),
    /// The vsock of a virtual machine monitor, which offers its guest's ports at a Unix socket.
    Hybrid(HybridAddress),
}

/// A guest's port behind a monitor's Unix socket: `CONNECT <port>` is written first and answered by `OK …`, as Firecracker and
/// vhost-device-vsock have it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HybridAddress {
    /// The monitor's Unix socket.
    pub path: PathBuf,
    /// The port that the enclave listens on.
    pub port: u32,
}

/// A vsock address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VsockAddress {
    /// The enclave's context id.
    pub cid: u32,
    /// The port it listens on.
    pub port: u32,
}

/// How KMS is reached.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kms {
    /// Region of recipients whose ARN names none.
    pub region: String,
    /// Another endpoint than AWS's: the simulation.
    #[serde(default)]
    pub endpoint: Option<String>,
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Outside 1 to 4.
    #[error("call_connections must be 1 to 4")]
    CallConnections,
    /// Not JSON of the wanted shape.
    #[error("configuration: {0}")]
    Json(#[from] serde_json::Error),
    /// Open to the network without a token.
    #[error("operators listen beyond loopback: name an operator_token_file")]
    Token,
}

impl Config {
    /// Reads JSON and checks it.
    ///
    /// # Errors
    ///
    /// An [`Error`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let config: Self = serde_json::from_slice(bytes)?;
        config.check()?;
        Ok(config)
    }

    /// The rules that hold between members.
    ///
    /// # Errors
    ///
    /// [`Error::Token`] or [`Error::CallConnections`].
    pub fn check(&self) -> Result<(), Error> {
        if !self.operators.ip().is_loopback() && self.operator_token_file.is_none() {
            return Err(Error::Token);
        }
        if !(1..=claviger_shared::wire::MAX_CALL_CONNECTIONS).contains(&self.call_connections) {
            return Err(Error::CallConnections);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(operators: &str, more: &str) -> Result<Config, Error> {
        let text = format!(
            r#"{{"enclave":{{"unix":"/tmp/e"}},"agents":"127.0.0.1:1","operators":"{operators}",
                "dir":"/tmp/d","kms":{{"region":"eu-west-1"}}{more}}}"#
        );
        Config::parse(text.as_bytes())
    }

    #[test]
    fn operators_beyond_loopback_need_a_token() {
        config("127.0.0.1:2", "").unwrap();
        config("[::1]:2", "").unwrap();
        assert!(matches!(config("0.0.0.0:2", ""), Err(Error::Token)));
        assert!(matches!(config("10.0.0.7:2", ""), Err(Error::Token)));
        config("0.0.0.0:2", r#","operator_token_file":"/t""#).unwrap();
    }

    /// What the units of `deploy/systemd` start the host with; the port is the enclave's own.
    #[test]
    fn the_example_of_the_deployment_is_a_configuration() {
        let text = include_bytes!("../../deploy/systemd/host.json");
        let config = Config::parse(text).unwrap();
        let wanted = VsockAddress {
            cid: 16,
            port: 5000,
        };
        assert_eq!(config.enclave, EnclaveAddress::Vsock(wanted));
        assert!(config.operators.ip().is_loopback() && config.kms.endpoint.is_none());
        let script = include_str!("../../deploy/bin/claviger-enclave");
        assert!(script.contains("\nCID=16\n"));
    }

    #[test]
    fn an_unknown_member_is_refused() {
        let refused = config("127.0.0.1:2", r#","operator_token":"x""#);
        assert!(matches!(refused, Err(Error::Json(_))));
    }

    #[test]
    fn call_connections_are_limited_on_both_sides() {
        for (count, fine) in [(0, false), (1, true), (4, true), (5, false)] {
            let more = format!(r#","call_connections":{count}"#);
            assert_eq!(config("127.0.0.1:2", &more).is_ok(), fine, "{count}");
        }
    }

    #[test]
    fn an_enclave_is_at_a_socket_a_vsock_port_or_a_monitors_socket() {
        let vsock: EnclaveAddress =
            serde_json::from_str(r#"{"vsock":{"cid":16,"port":5000}}"#).unwrap();
        let wanted = VsockAddress {
            cid: 16,
            port: 5000,
        };
        assert_eq!(vsock, EnclaveAddress::Vsock(wanted));
        let hybrid: EnclaveAddress =
            serde_json::from_str(r#"{"hybrid":{"path":"/run/vm.vsock","port":5000}}"#).unwrap();
        let wanted = HybridAddress {
            path: "/run/vm.vsock".into(),
            port: 5000,
        };
        assert_eq!(hybrid, EnclaveAddress::Hybrid(wanted));
        let more = r#"{"hybrid":{"path":"/run/vm.vsock","port":5000,"cid":3}}"#;
        serde_json::from_str::<EnclaveAddress>(more).unwrap_err();
    }
}
