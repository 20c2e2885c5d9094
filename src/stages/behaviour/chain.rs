//! How far an actor has come: the stages of an attack that its findings belong to (the tactics of MITRE ATT&CK, coarsely), in
//! one record.
//!
//! ```text
//! 0       4        6        8           13              16
//! half    refusing checks   findings    strongest
//! number  now      before   of 5 stages of 5 stages, 4 bits each
//! ```
//!
//! [`FAMILIES`] and [`CHECKS`] say which stage a finding belongs to. A new family needs one row; a test holds that it has it.
//! What a caller does by accident every day (no token, an old one, a limit reached) belongs to no stage, or every user of an
//! office would stand in the middle of an attack. Findings without weight belong to none either.
//!
//! A stage is *seen* once it had so many findings as are configured; more than one stage is a chain. Findings and strength
//! are halved with every half window: the strongest finding of a stage decides how long it is remembered, from one half window
//! (a score up to 0.13) to four (a refusal). The checks that refused are counted as [`crate::memory::tally`] counts, in 16 bits: at most
//! as many as there were, and with an error of 20 % at six.
//!
//! Not covered: the order of the stages. Attackers who come back skip the first ones.

use crate::finding::{Check, Family, Weight};
use crate::memory::record::{Record, State};

/// How many stages there are.
pub const STAGES: usize = 5;

/// The strength of a refusal.
const STRONGEST: u8 = 15;

/// `16 ln(16 / zeros)`, as in [`crate::memory::tally`].
const ESTIMATES: [u32; 17] = [0, 1, 2, 3, 5, 6, 8, 9, 11, 13, 16, 19, 22, 27, 33, 44, 55];

/// What an attacker is after at the moment.
#[derive(Debug, Copy, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Finding out what is there.
    Reconnaissance,
    /// Getting at somebody's account, token or key.
    CredentialAccess,
    /// Not being recognised.
    DefenseEvasion,
    /// Doing what one may not.
    Exploitation,
    /// Taking away what is not one's own.
    Exfiltration,
}

/// The stage of all findings of a family. A family without a row, or with none, belongs to no stage.
pub const FAMILIES: &[(Family, Option<Stage>)] = &[
    (Family::Request, Some(Stage::Reconnaissance)),
    (Family::Token, Some(Stage::CredentialAccess)),
    (Family::Binding, Some(Stage::CredentialAccess)),
    (Family::Limits, None),
    (Family::Payload, Some(Stage::Exploitation)),
    (Family::Business, Some(Stage::Exploitation)),
    (Family::Objects, Some(Stage::Exfiltration)),
    (Family::Anomaly, None),
    (Family::Behaviour, None),
    (Family::Exposure, Some(Stage::Exfiltration)),
    (Family::Failure, None),
];

/// Checks that belong elsewhere than the others of their family.
pub const CHECKS: &[(&str, Option<Stage>)] = &[
    ("behaviour.scanning", Some(Stage::Reconnaissance)),
    ("behaviour.stuffing.source", Some(Stage::CredentialAccess)),
    ("behaviour.stuffing.account", None),
    ("behaviour.rotation.fingerprint", Some(Stage::DefenseEvasion)),
    ("behaviour.rotation.user_agent", Some(Stage::DefenseEvasion)),
    ("token.scope", Some(Stage::Exploitation)),
    ("token.claim", Some(Stage::Exploitation)),
    ("request.body.too_large", None),
    ("request.body.unread", None),
    ("token.missing", None),
    ("token.expired", None),
    ("token.not_yet_valid", None),
    ("token.lifetime", None),
    ("token.login", None),
    ("token.inactive", None),
    ("token.holder.nonce", None),
    ("api_key.expired", None),
    ("agent.scanner", Some(Stage::Reconnaissance)),
    ("agent.headless", None),
    ("agent.automatic", None),
    ("graphql.introspection", Some(Stage::Reconnaissance)),
    ("payload.mismatch", Some(Stage::Reconnaissance)),
    ("payload.privileged_field", None),
    ("exposure.stack_trace", Some(Stage::Reconnaissance)),
    ("exposure.sql_error", Some(Stage::Reconnaissance)),
    ("exposure.introspection", Some(Stage::Reconnaissance)),
    ("objects.owner", Some(Stage::Exploitation)),
    ("objects.privilege", Some(Stage::Exploitation)),
];

/// What an actor was found at lately.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
pub(super) struct Chain {
    half: u32,
    now: u16,
    before: u16,
    findings: [u8; STAGES],
    strongest: [u8; STAGES],
}

impl Stage {
    /// Every stage, in the order of an attack.
    pub const ALL: [Self; STAGES] = [
        Self::Reconnaissance,
        Self::CredentialAccess,
        Self::DefenseEvasion,
        Self::Exploitation,
        Self::Exfiltration,
    ];

    /// Its name in receipts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reconnaissance => "reconnaissance",
            Self::CredentialAccess => "credential_access",
            Self::DefenseEvasion => "defense_evasion",
            Self::Exploitation => "exploitation",
            Self::Exfiltration => "exfiltration",
        }
    }

    /// The stage that findings of a check belong to.
    pub fn of(check: &Check) -> Option<Self> {
        let own = CHECKS.iter().find(|(id, _)| *id == check.id).map(|(_, stage)| *stage);
        own.or_else(|| FAMILIES.iter().find(|(family, _)| *family == check.family).map(|(_, stage)| *stage))
            .flatten()
    }
}

/// How strong a finding is, from 0 to 15.
fn strength(weight: Weight) -> u8 {
    match weight {
        Weight::Note => 0,
        Weight::Score(score) => {
            let reached = (1..=STRONGEST).filter(|step| f64::from(*step) <= score.value() * f64::from(STRONGEST));
            u8::try_from(reached.count()).unwrap_or(STRONGEST).max(u8::from(score.value() > 0.0))
        }
        Weight::Challenge | Weight::Refuse => STRONGEST,
    }
}

impl Chain {
    /// What a record holds, as of a half.
    pub(super) fn of(record: &Record, half: u32) -> Self {
        if record.is_new() {
            return Self { half, ..Self::default() };
        }
        let [h0, h1, h2, h3, n0, n1, b0, b1, f0, f1, f2, f3, f4, s0, s1, s2] = record.state;
        let stored = Self {
            half: u32::from_le_bytes([h0, h1, h2, h3]),
            now: u16::from_le_bytes([n0, n1]),
            before: u16::from_le_bytes([b0, b1]),
            findings: [f0, f1, f2, f3, f4],
            strongest: [s0 & 15, s0 >> 4, s1 & 15, s1 >> 4, s2 & 15],
        };
        stored.at(half)
    }

    fn at(self, half: u32) -> Self {
        let halves = half.saturating_sub(self.half);
        let (now, before) = match halves {
            0 => (self.now, self.before),
            1 => (0, self.now),
            _ => (0, 0),
        };
        let halved = |byte: u8| byte.checked_shr(halves).unwrap_or_default();
        let strongest = self.strongest.map(halved);
        let mut findings = self.findings.map(halved);
        // A stage that is remembered has had a finding, and one that is not has none.
        for (count, strength) in findings.iter_mut().zip(strongest) {
            *count = if strength == 0 { 0 } else { (*count).max(1) };
        }
        Self { half: self.half.max(half), now, before, findings, strongest }
    }

    /// With one finding more. `which` stands for the check.
    pub(super) fn with(self, check: &Check, weight: Weight, which: u64) -> Self {
        let mut chain = self;
        let (stage, strength) = (Stage::of(check), strength(weight));
        if let Some(stage) = stage.filter(|_| strength > 0) {
            let at = Stage::ALL.iter().position(|other| *other == stage).unwrap_or_default();
            if let Some((count, strongest)) = chain.findings.get_mut(at).zip(chain.strongest.get_mut(at)) {
                *count = count.saturating_add(1);
                *strongest = (*strongest).max(strength);
            }
            if strength == STRONGEST {
                chain.now |= 1_u16.checked_shl(u32::try_from(which % 16).unwrap_or_default()).unwrap_or_default();
            }
        }
        chain
    }

    /// What a record is to hold.
    pub(super) fn state(self) -> State {
        let ([h0, h1, h2, h3], [n0, n1]) = (self.half.to_le_bytes(), self.now.to_le_bytes());
        let ([b0, b1], [f0, f1, f2, f3, f4]) = (self.before.to_le_bytes(), self.findings);
        let [a, b, c, d, e] = self.strongest;
        [h0, h1, h2, h3, n0, n1, b0, b1, f0, f1, f2, f3, f4, a | b << 4, c | d << 4, e]
    }

    /// About how many different checks have refused.
    pub(super) fn checks(&self) -> u32 {
        let set = usize::try_from((self.now | self.before).count_ones()).unwrap_or_default();
        ESTIMATES.get(set).copied().unwrap_or_default()
    }

    /// What was found of each stage that something was found of.
    pub(super) fn stages(&self) -> impl Iterator<Item = (Stage, u8)> {
        Stage::ALL.into_iter().zip(self.findings).filter(|(_, count)| *count > 0)
    }

    /// Of each stage what the one or the other has more of: two actors of one request.
    pub(super) fn joined(self, other: Self) -> Self {
        let mut joined = self;
        let both = joined.findings.iter_mut().zip(other.findings);
        both.for_each(|(count, more)| *count = (*count).max(more));
        joined
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Score;
    use crate::memory::record::Debt;
    use crate::stages;
    use proptest::prelude::*;

    fn check(id: &str) -> &'static Check {
        stages::CHECKS.iter().find(|check| check.id == id).unwrap()
    }

    fn stored(chain: Chain, half: u32) -> Chain {
        let mut record = Record::new(1, Debt::default());
        record.settle(chain.state(), Debt::default());
        Chain::of(&record, half)
    }

    #[test]
    fn every_family_has_its_row_and_every_row_a_check() {
        for family in Family::ALL {
            assert!(FAMILIES.iter().any(|(known, _)| *known == family), "{family:?} has no row");
        }
        for (id, _) in CHECKS {
            assert!(stages::CHECKS.iter().any(|check| check.id == *id), "{id} is no check");
        }
    }

    #[test]
    fn findings_belong_to_stages_and_everyday_ones_to_none() {
        for (id, stage) in [
            ("request.path.ambiguous", Some(Stage::Reconnaissance)),
            ("token.signature", Some(Stage::CredentialAccess)),
            ("token.usage.travel", Some(Stage::CredentialAccess)),
            ("token.scope", Some(Stage::Exploitation)),
            ("token.expired", None),
            ("limits.exceeded", None),
            ("engine.internal", None),
            ("behaviour.chain", None),
        ] {
            assert_eq!(Stage::of(check(id)), stage, "{id}");
        }
    }

    #[test]
    fn refusals_are_remembered_longer_than_soft_signs() {
        let soft = Weight::Score(Score::new(0.2).unwrap());
        let chain = Chain { half: 10, ..Chain::default() };
        let chain = chain.with(check("token.usage.address"), soft, 1);
        let chain = chain.with(check("request.path.ambiguous"), Weight::Refuse, 2);
        let seen = |half| stored(chain, half).stages().map(|(stage, _)| stage).collect::<Vec<_>>();
        assert_eq!(seen(10), [Stage::Reconnaissance, Stage::CredentialAccess]);
        assert_eq!(seen(11), [Stage::Reconnaissance, Stage::CredentialAccess]);
        assert_eq!((seen(12), seen(13)), (vec![Stage::Reconnaissance], vec![Stage::Reconnaissance]));
        assert!(seen(14).is_empty() && seen(u32::MAX).is_empty());
        assert_eq!(stored(chain, 3), chain, "time does not go back");
    }

    #[test]
    fn notes_are_no_findings_and_checks_count_once() {
        let chain = Chain::default().with(check("request.path.ambiguous"), Weight::Note, 1);
        assert_eq!((chain.stages().count(), chain.checks()), (0, 0));
        let chain = (0..300)
            .fold(chain, |chain, number| chain.with(check("request.path.ambiguous"), Weight::Refuse, number % 3));
        assert_eq!((chain.checks(), chain.stages().next()), (3, Some((Stage::Reconnaissance, 255))));
    }

    proptest! {
        #[test]
        fn no_record_panics(state in any::<[u8; 16]>(), half in any::<u32>(), which in any::<u64>()) {
            let mut record = Record::new(1, Debt::default());
            record.settle(state, Debt::default());
            let chain = Chain::of(&record, half).with(check("token.signature"), Weight::Refuse, which);
            prop_assert!(chain.checks() >= 1 && chain.stages().count() <= STAGES);
            prop_assert_eq!(stored(chain, chain.half), chain);
        }
    }
}
