//! How often a token is used, from which networks and by which devices.
//!
//! ```text
//! 0      4      8         10        12       14        16
//! second uses   address   another   device   another
//! ```
//!
//! Networks are told apart by their leading bits (`prefix_v4`, `prefix_v6`), so that neighbours in a mobile network are one. A
//! source that Envoy does not know is no opinion. No device id counts as one: a thief need only send none.

use super::{mark, seconds, worth, Ago, Mark, ADDRESS, COUNT, DEVICE};
use crate::config::identity::Usage;
use crate::finding::{Finding, Findings};
use crate::memory::record::{Record, State};
use crate::memory::Trace;
use crate::stages::identity::Scene;
use ipnet::IpNet;
use std::net::IpAddr;

/// By which its records are told apart from those of limits, whose names have no dot.
const OWNER: &str = "token.usage";

/// The uses of a token, up to the last.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(super) struct Hands {
    /// When it was used last.
    pub(super) second: u32,
    pub(super) uses: u32,
    pub(super) address: Mark,
    pub(super) device: Mark,
}

/// Records a use and compares it with those before.
pub(super) fn check(usage: &Usage, token: &[u8; 16], scene: &Scene<'_>, findings: &mut Findings) {
    let source = *scene.request.source;
    let network = source.and_then(|source| network(usage, source));
    let address = network.map_or(0, |network| mark(scene, "address", &network.to_string()));
    let device = mark(scene, "device", scene.request.text(&usage.device_header).unwrap_or_default());
    let second = seconds(scene.now);
    let place = scene.memory.locate(token, OWNER);
    let changed = scene.memory.change(scene.shared, place, scene.now, &mut Trace::default(), |mut record| {
        let hands = Hands::of(&record)
            .map_or(Hands::first(second, address, device), |before| before.then(second, address, device));
        record.settle(hands.state(), worth(scene.now));
        (hands, Some(record))
    });
    let Ok(hands) = changed else { return };
    if let Some(uses_max) = usage.uses_max.filter(|most| hands.uses > *most) {
        findings.add(Finding::new(&COUNT, format!("use {} of {uses_max}", hands.uses)));
    }
    if let (Some(ago), Some(source)) = (hands.address.other.within(usage.window), source) {
        findings.add(Finding::new(&ADDRESS, format!("source {source}, another network {ago} s ago")));
    }
    if let Some(ago) = hands.device.other.within(usage.window) {
        findings.add(Finding::new(&DEVICE, format!("another `{}` {ago} s ago", usage.device_header)));
    }
}

fn network(usage: &Usage, source: IpAddr) -> Option<IpNet> {
    let source = source.to_canonical();
    let prefix = if source.is_ipv4() { usage.prefix_v4 } else { usage.prefix_v6 };
    IpNet::new(source, prefix).ok().map(|network| network.trunc())
}

impl Hands {
    pub(super) const fn first(second: u32, address: u16, device: u16) -> Self {
        let address = Mark { seen: address, ..Mark::NONE };
        Self { second, uses: 1, address, device: Mark { seen: device, ..Mark::NONE } }
    }

    /// The same after one use more. Clocks of workers may be apart: time does not go back.
    pub(super) fn then(self, second: u32, address: u16, device: u16) -> Self {
        let second = second.max(self.second);
        let idle = second.saturating_sub(self.second);
        Self {
            second,
            uses: self.uses.saturating_add(1),
            address: self.address.then(address, idle),
            device: self.device.then(device, idle),
        }
    }

    /// What a record holds; `None` for a new one.
    pub(super) fn of(record: &Record) -> Option<Self> {
        let [s0, s1, s2, s3, u0, u1, u2, u3, a0, a1, b0, b1, d0, d1, e0, e1] = record.state;
        let mark = |seen, other| Mark { seen: u16::from_le_bytes(seen), other: Ago(u16::from_le_bytes(other)) };
        (!record.is_new()).then_some(Self {
            second: u32::from_le_bytes([s0, s1, s2, s3]),
            uses: u32::from_le_bytes([u0, u1, u2, u3]),
            address: mark([a0, a1], [b0, b1]),
            device: mark([d0, d1], [e0, e1]),
        })
    }

    pub(super) fn state(self) -> State {
        let [s0, s1, s2, s3] = self.second.to_le_bytes();
        let [u0, u1, u2, u3] = self.uses.to_le_bytes();
        let ([a0, a1], [b0, b1]) = (self.address.seen.to_le_bytes(), self.address.other.0.to_le_bytes());
        let ([d0, d1], [e0, e1]) = (self.device.seen.to_le_bytes(), self.device.other.0.to_le_bytes());
        [s0, s1, s2, s3, u0, u1, u2, u3, a0, a1, b0, b1, d0, d1, e0, e1]
    }
}
