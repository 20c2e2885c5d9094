//! Soft bindings, validated.

use crate::raw;
use crate::{check_prefix, ConfigError, Path};

/// Soft bindings: claims compared with the request. One that fails raises the risk.
#[derive(Debug, Default)]
pub struct Bindings {
    /// The source address.
    pub ip: Option<IpBinding>,
    /// A device id that the client sends.
    pub device: Option<HeaderBinding>,
    /// A digest of the user agent: the first 16 hex digits of SHA-256. Names the claim.
    pub user_agent: Option<String>,
    /// A location that Envoy's geoip filter writes.
    pub geo: Option<HeaderBinding>,
    /// A session id, in a cookie or a header field.
    pub session: Option<SessionBinding>,
}

impl Bindings {
    /// Whether there are none. All are looked at, which is less code on a request's way than to stop at the first.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        let Self { ip, device, user_agent, geo, session } = self;
        ip.is_none() & device.is_none() & user_agent.is_none() & geo.is_none() & session.is_none()
    }
}

/// A claim with an address or network.
#[derive(Debug)]
pub struct IpBinding {
    /// The claim.
    pub claim: String,
    /// Leading bits that an IPv4 source must share with an address claim.
    pub prefix_v4: u8,
    /// The same for IPv6.
    pub prefix_v6: u8,
}

/// A claim compared with a header field.
#[derive(Debug)]
pub struct HeaderBinding {
    /// The claim.
    pub claim: String,
    /// The header field, lower case.
    pub header: String,
}

/// A claim compared with a cookie or a header field.
#[derive(Debug)]
pub struct SessionBinding {
    /// The claim.
    pub claim: String,
    /// The cookie, which is looked at first.
    pub cookie: String,
    /// The header field for clients without cookies, lower case.
    pub header: String,
}

impl Bindings {
    pub(super) fn new(written: &raw::Bindings) -> Result<Self, ConfigError> {
        let raw::Bindings {
            ip_binding: ip,
            device_id: device,
            user_agent_hash: agent,
            geo_location: geo,
            session_id: session,
        } = written;
        for (name, prefix, max) in [("prefix_v4", ip.prefix_v4, 32), ("prefix_v6", ip.prefix_v6, 128)] {
            check_prefix(prefix, max, &Path::new("identity.bindings.ip_binding").member(name))?;
        }
        Ok(Self {
            ip: ip.enabled.then(|| IpBinding {
                claim: ip.claim.clone(),
                prefix_v4: ip.prefix_v4,
                prefix_v6: ip.prefix_v6,
            }),
            device: device.enabled.then(|| HeaderBinding {
                claim: device.claim.clone(),
                header: device.header.to_ascii_lowercase(),
            }),
            user_agent: agent.enabled.then(|| agent.claim.clone()),
            geo: geo
                .enabled
                .then(|| HeaderBinding { claim: geo.claim.clone(), header: geo.header.to_ascii_lowercase() }),
            session: session.enabled.then(|| SessionBinding {
                claim: session.claim.clone(),
                cookie: session.cookie.clone(),
                header: session.header.to_ascii_lowercase(),
            }),
        })
    }
}
