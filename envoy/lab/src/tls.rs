//! Certificates for one test: an authority, servers' and clients' certificates of it, and those of nobody.
//!
//! Every key is made when it is asked for and lies in memory alone. A client checks the server (the name is
//! [`SERVER_NAME`], the authority the test's own), since a client that does not would also talk to a wrong listener.
//!
//! Bounds: P-256 keys; rcgen's dates, which outlive any test. Not covered: intermediate authorities, revocation lists.

use anyhow::{Context, Result};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use serde_json::{json, Value};
use std::sync::Arc;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// By which clients know the server.
pub const SERVER_NAME: &str = "gate.example";

/// Who vouches for certificates.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
#[derive(Debug)]
pub struct Certificate {
    der: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

impl Authority {
    /// One that nobody else knows.
    pub fn new() -> Result<Self> {
        let mut params = named("Test authority", Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ok(Authority(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?))
    }

    /// A certificate of this authority for a client, by its SPIFFE id.
    pub fn client(&self, name: &str) -> Result<Certificate> {
        let id = SanType::URI(format!("spiffe://demo.example/{name}").try_into()?);
        self.sign(named(name, vec![id])?)
    }

    fn sign(&self, params: CertificateParams) -> Result<Certificate> {
        let key = KeyPair::generate()?;
        let signed = params.signed_by(&key, &self.0)?;
        Ok(Certificate { der: signed.der().clone(), pem: signed.pem(), key })
    }

    /// Envoy's transport socket for a listener that this authority vouches for. Clients may show a certificate, which must
    /// then be one of this authority's, and must show one if it is `required`.
    pub fn listener(&self, required: bool) -> Result<Value> {
        let server = self.sign(named("gate", vec![SanType::DnsName(SERVER_NAME.try_into()?)])?)?;
        Ok(json!({
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                "require_client_certificate": required,
                "common_tls_context": {
                    "alpn_protocols": ["h2", "http/1.1"],
                    "tls_certificates": [{
                        "certificate_chain": {"inline_string": server.pem},
                        "private_key": {"inline_string": server.key.serialize_pem()},
                    }],
                    "validation_context": {"trusted_ca": {"inline_string": self.0.pem()}},
                },
            },
        }))
    }

    /// How a client that trusts this authority connects, and what it shows of itself.
    pub(crate) fn connecting(&self, shown: Option<&Certificate>, protocol: &[u8]) -> Result<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone())?;
        let trusting = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let mut config = match shown {
            None => trusting.with_no_client_auth(),
            Some(shown) => {
                let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(shown.key.serialize_der()));
                trusting.with_client_auth_cert(vec![shown.der.clone()], key)?
            }
        };
        config.alpn_protocols = vec![protocol.to_vec()];
        Ok(config)
    }
}

impl Certificate {
    /// One that nobody vouches for.
    pub fn self_signed(name: &str) -> Result<Self> {
        let key = KeyPair::generate()?;
        let signed = named(name, Vec::new())?.self_signed(&key)?;
        Ok(Certificate { der: signed.der().clone(), pem: signed.pem(), key })
    }

    /// What a token names it by (`x5t#S256`, RFC 8705 §3.1).
    pub fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.digest())
    }

    /// Its SHA-256 as Envoy writes it, in lower-case hexadecimal.
    pub fn hex(&self) -> String {
        self.digest().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn digest(&self) -> Vec<u8> {
        ring::digest::digest(&ring::digest::SHA256, &self.der).as_ref().to_vec()
    }
}

fn named(name: &str, alternatives: Vec<SanType>) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new()).context("no parameters")?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.subject_alt_names = alternatives;
    Ok(params)
}
